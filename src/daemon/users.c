/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/users.h"

void dv_users_init(struct dv_users *users, const struct dv_config *config,
		   const struct dv_root *root)
{
	*users = (struct dv_users){.config = config, .root = root};
}

void dv_users_fini(struct dv_users *users)
{
	dv_vec_fini(&users->seen);
}

static struct dv_user *find(const struct dv_users *users, uid_t uid)
{
	for (size_t i = 0; i < users->seen.len; i++)
		if (users->seen.items[i].uid == uid)
			return &users->seen.items[i];
	return NULL;
}

/* Its groups may have changed since it was seen last. */
static void note(struct dv_users *users, const struct dv_peer *peer)
{
	struct dv_user *user = find(users, peer->uid), fresh = {.uid = peer->uid};
	gid_t groups[DV_PEER_GROUPS_MOST + 1];
	unsigned count = peer->group_count;

	memcpy(groups, peer->groups, count * sizeof(groups[0]));
	groups[count++] = peer->gid;
	dv_config_quota_of(users->config, peer->uid, groups, count, &fresh.quota);
	if (user)
		*user = fresh;
	else if (users->seen.len < DV_USERS_MOST)
		/* Without memory for it, the quota without groups holds. */
		(void)!dv_vec_push(&users->seen, fresh);
	else
		users->seen.items[users->oldest++ % DV_USERS_MOST] = fresh;
}

int dv_users_identify(struct dv_users *users, int fd, struct dv_identity *ret, struct dv_error *err)
{
	const struct dv_config *config = users->config;
	struct dv_identity who = {0};
	struct dv_peer peer;
	int r = dv_peer_read(fd, &peer, err);

	if (r < 0)
		return r;
	note(users, &peer);
	who.uid = peer.uid;
	who.gid = peer.gid;
	who.pid = peer.pid;
	who.pid_start = dv_peer_start(users->root, peer.pid);
	who.admin = peer.uid == 0 || peer.uid == geteuid();
	who.allowed = who.admin || (config->has_gid && dv_peer_in_group(&peer, config->gid));
	*ret = who;
	return 0;
}

void dv_users_quota(const struct dv_users *users, uid_t uid, struct dv_quota *ret)
{
	const struct dv_user *user = find(users, uid);

	if (user)
		*ret = user->quota;
	else
		dv_config_quota_of(users->config, uid, NULL, 0, ret);
}

struct dv_identity dv_users_self(void)
{
	return (struct dv_identity){.uid = geteuid(),
				    .gid = getegid(),
				    .pid = getpid(),
				    .admin = true,
				    .allowed = true};
}
