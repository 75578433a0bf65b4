/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: identities from sockets, and the quota of each user who was seen. Owns a bounded
 * table; borrows the configuration. */
#pragma once

#include "daemon/conf.h"
#include "daemon/peer.h"

enum { DV_USERS_MOST = 1024 };

struct dv_user {
	uid_t uid;
	struct dv_quota quota;
};

struct dv_users {
	const struct dv_config *config;
	const struct dv_root *root;
	DV_VEC(struct dv_user) seen;
	size_t oldest; /* the entry that the next one replaces when the table is full */
};

void dv_users_init(struct dv_users *users, const struct dv_config *config,
		   const struct dv_root *root);
void dv_users_fini(struct dv_users *users);

/* Who is at the other end, and note its quota. */
int dv_users_identify(struct dv_users *users, int fd, struct dv_identity *ret,
		      struct dv_error *err) DV_MUST_CHECK;
/* Of a user who was not seen since the start, what holds without knowing its groups. */
void dv_users_quota(const struct dv_users *users, uid_t uid, struct dv_quota *ret);

/* divvyd itself. */
struct dv_identity dv_users_self(void);
