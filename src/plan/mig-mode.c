/* SPDX-License-Identifier: Apache-2.0 */
/* The MIG mode of a GPU: on for its first partition, or as the fleet's gpus: want it. It changes
 * only where nobody has a part. */
#include <stdio.h>

#include "base/str.h"
#include "plan/inside.h"

static bool as_wished(const struct dv_room *room)
{
	enum dv_mig_mode mode = room->gpu->mig.mode;

	switch (room->mig_wish) {
	case DV_MIG_WISH_ON:
		return mode == DV_MIG_ON;
	case DV_MIG_WISH_OFF:
		return mode == DV_MIG_OFF || mode == DV_MIG_NONE;
	case DV_MIG_WISH_NONE:
	case DV_MIG_WISH_COUNT:
		break;
	}
	return true;
}

/* A GPU that nothing new is placed on, by whoever knows why. */
static const char *closed_why(const struct dv_gpu *gpu, char *buf, size_t size)
{
	if (gpu->quarantine[0])
		(void)snprintf(buf, size, "it is in quarantine: %s", gpu->quarantine);
	else if (gpu->owned_by[0])
		(void)snprintf(buf, size, "another divvyd owns it: %s", gpu->owned_by);
	else
		(void)snprintf(buf, size, "it has a lease that cannot be read");
	return gpu->quarantine[0] ? "S11" : gpu->owned_by[0] ? "S05" : "S01";
}

static const char *method_why(const struct dv_gpu *gpu, char *buf, size_t size)
{
	const struct dv_gpu_method *mig = dv_gpu_method(gpu, DV_METHOD_MIG);

	if (gpu->mig.mode == DV_MIG_NONE)
		(void)snprintf(buf, size, "it has no MIG");
	else
		(void)snprintf(buf, size, "%s",
			       mig && mig->why[0] ? mig->why : "divvy cannot do MIG there");
	return mig && mig->rule_count ? mig->rules[0] : "M02";
}

static const char *parts_why(const struct dv_room *room, char *buf, size_t size)
{
	unsigned others = room->wholes + room->slices + room->partitions + room->others;

	if (room->strangers) {
		(void)snprintf(buf, size, "%u partition%s that no lease stands for %s on it",
			       room->strangers, dv_plural(room->strangers),
			       room->strangers == 1 ? "is" : "are");
		return "M05";
	}
	if (room->mig_wish == DV_MIG_WISH_OFF && room->migs) {
		(void)snprintf(buf, size, "%u partition%s of it %s leased", room->migs,
			       dv_plural(room->migs), room->migs == 1 ? "is" : "are");
		return "S01";
	}
	if (others) {
		(void)snprintf(buf, size, "it is divided in another way by %u lease%s", others,
			       dv_plural(others));
		return "S02";
	}
	return NULL;
}

const char *dv_plan_mode_forbids(const struct dv_room *room, char *buf, size_t size)
{
	const struct dv_gpu_method *mig = dv_gpu_method(room->gpu, DV_METHOD_MIG);
	char why[224] = "";
	const char *rule = NULL;

	if (as_wished(room))
		return NULL;
	if (room->closed)
		rule = closed_why(room->gpu, why, sizeof(why));
	else if (!mig || !mig->ok)
		rule = method_why(room->gpu, why, sizeof(why));
	else
		rule = parts_why(room, why, sizeof(why));
	if (rule)
		(void)snprintf(buf, size, "its MIG mode cannot be turned %s: %.200s",
			       dv_mig_wish_name(room->mig_wish), why);
	return rule;
}

const char *dv_plan_mode_step(const struct dv_room *room)
{
	char ignored[256];

	/* Other leases' partitions that went with the mode are not this fleet's to bring back. */
	if (room->migs && room->ours && room->gpu->mig.mode == DV_MIG_OFF)
		return "mig.enable";
	if (as_wished(room) || dv_plan_mode_forbids(room, ignored, sizeof(ignored)))
		return NULL;
	return room->mig_wish == DV_MIG_WISH_ON ? "mig.enable" : "mig.disable";
}
