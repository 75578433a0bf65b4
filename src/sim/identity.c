/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

uint32_t dv_sim_multiprocessors(const struct dv_sim_profile *profile, uint32_t slices)
{
	return profile->multiprocessors / profile->slices * slices;
}

void dv_sim_mig_name(const struct dv_sim_profile *profile, const struct dv_sim_ci *ci, char *buf,
		     size_t size)
{
	if (ci && ci->size != profile->slices)
		(void)snprintf(buf, size, "%uc.%s", ci->size, profile->name);
	else
		(void)snprintf(buf, size, "%s", profile->name);
}

void dv_sim_mig_uuid(const struct dv_sim *sim, uint32_t gpu, const struct dv_sim_gi *gi,
		     const struct dv_sim_ci *ci, char *buf, size_t size)
{
	enum { RELEASE_OF_MIG_UUIDS = 470 };
	const char *uuid = sim->machine->gpus[gpu].uuid;
	uint32_t ids[] = {gi->id, ci->id};
	uint64_t hash, low;

	if (sim->machine->driver_release < RELEASE_OF_MIG_UUIDS) {
		(void)snprintf(buf, size, "MIG-%s/%u/%u", uuid, ids[0], ids[1]);
		return;
	}
	hash = dv_hash(dv_hash(DV_HASH_INIT, uuid, strlen(uuid)), ids, sizeof(ids));
	low = dv_hash(hash, "low", 3);
	(void)snprintf(buf, size, "MIG-%08x-%04x-5%03x-%04x-%012llx", (unsigned)(hash >> 32),
		       (unsigned)(hash >> 16 & 0xffff), (unsigned)(hash & 0xfff),
		       (unsigned)(low >> 48), (unsigned long long)(low & 0xffffffffffff));
}
