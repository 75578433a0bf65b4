/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver tells: a change of MIG is looked at, an Xid is written down for those whom it
 * concerns. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "model/tree.h"
#include "model/xid.h"

/* Several changes come together; and a GPU that goes wrong may say so without end. */
enum { GATHER_MS = 100, XIDS_MOST = 100, XIDS_PER_S = 60 };

int dv_daemon_on_change(sd_event_source *source, uint64_t usec, void *arg)
{
	struct dv_daemon *daemon = arg;
	struct dv_error err = {0};

	/* Our own steps are looked at when the last of them is done. */
	if (!dv_engine_idle(daemon->engine)) {
		daemon->look_anew = true;
		return 0;
	}
	if (dv_daemon_probe(daemon, &err) < 0)
		dv_log_error(DV_LOG_WARNING, &err, "looking for what has changed");
	return 0;
}

static void look_soon(struct dv_daemon *daemon)
{
	if (sd_event_source_get_enabled(daemon->change, NULL) > 0)
		return;
	(void)sd_event_source_set_time_relative(daemon->change, GATHER_MS * 1000ull);
	(void)sd_event_source_set_enabled(daemon->change, SD_EVENT_ONESHOT);
}

static void note(struct dv_daemon *daemon, uid_t uid, const char *subject, const char *text)
{
	struct dv_audit audit = {.time_s = time(NULL), .uid = uid};
	struct dv_error err = {0};

	(void)dv_copy(audit.verb, sizeof(audit.verb), "xid");
	(void)dv_copy(audit.subject, sizeof(audit.subject), subject);
	(void)dv_copy(audit.text, sizeof(audit.text), text);
	if (dv_store_audit_add(daemon->store, &audit, &err) < 0)
		dv_log_error(DV_LOG_WARNING, &err, "writing down an Xid");
}

/* Is the lease what the Xid is of, or a part of that? */
static bool concerns(const struct dv_gpu *gpu, const struct dv_lease *lease,
		     const struct dv_worker_news *news)
{
	const struct dv_mig_instance *instance;
	const struct dv_mig_compute *part;
	struct dv_node node;

	if (strcmp(lease->gpu_uuid, gpu->uuid) != 0)
		return false;
	if (news->instance < 0)
		return true;
	if (dv_node_parse(lease->node, &node, NULL) < 0 || !node.has_partition)
		return false;
	instance = dv_mig_instance_at(&gpu->mig, node.start, node.size);
	if (!instance || instance->id != (uint32_t)news->instance)
		return false;
	if (!node.has_part || news->part < 0)
		return true;
	part = dv_mig_compute_at(&gpu->mig, instance->id, node.part_start, node.part_size);
	return part && part->id == (uint32_t)news->part;
}

/* One more. Those that are too many are neither logged nor looked into, but it is said that there
 * are some. */
static bool too_many(struct dv_daemon *daemon)
{
	uint64_t now = dv_now_ns();

	if (now - daemon->xids_since_ns > XIDS_PER_S * DV_NS_PER_S) {
		daemon->xids_since_ns = now;
		daemon->xids = 0;
	}
	if (daemon->xids++ == XIDS_MOST)
		dv_log(DV_LOG_WARNING,
		       "more than %d Xids within %d s: the rest is not written down", XIDS_MOST,
		       XIDS_PER_S);
	return daemon->xids > XIDS_MOST;
}

static void write_down(struct dv_daemon *daemon, const struct dv_worker_news *news)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);
	const struct dv_gpu *gpu = dv_observe_gpu(daemon, news->gpu);
	const char *class = dv_xid_class_name(dv_xid_class(news->xid));
	const char *means = dv_xid_text(news->xid);
	char text[200], of[48] = "";

	if (news->instance >= 0)
		(void)snprintf(of, sizeof(of), ", of GPU instance %d", news->instance);
	(void)snprintf(text, sizeof(text), "Xid %u, class %s%s%s%s", news->xid, class,
		       means[0] ? ": " : "", means, of);
	dv_log(DV_LOG_WARNING, "GPU %s: %s", gpu ? gpu->id : news->gpu, text);
	note(daemon, geteuid(), news->gpu[0] ? news->gpu : "GPU", text);
	for (size_t i = 0; gpu && i < leases->len; i++)
		if (concerns(gpu, &leases->items[i], news))
			note(daemon, leases->items[i].uid, leases->items[i].name, text);
}

void dv_daemon_hear(void *arg, const struct dv_worker_news *news)
{
	struct dv_daemon *daemon = arg;

	if (news->tells == DV_WORKER_XID) {
		if (too_many(daemon))
			return;
		write_down(daemon, news);
	}
	look_soon(daemon);
}
