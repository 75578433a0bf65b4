/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a client, a file or a tenant can grow has its limit here. */
#pragma once

enum {
	DV_NAME_MOST = 63, /* characters of a tenant's, lease's or fleet's name */
	DV_NAME_SIZE = DV_NAME_MOST + 1,
	DV_NODE_SIZE = 192, /* a node's path, with its NUL */
	DV_UUID_SIZE = 56,  /* "MIG-GPU-..." with its ids is the longest */
	DV_MODEL_SIZE = 64,
	DV_RULE_SIZE = 24,
	DV_PROFILE_SIZE = 32, /* name of a partition's profile, with its NUL */

	DV_FILE_MOST = 1 << 20,	 /* bytes of a fleet, machine, rule or configuration file */
	DV_FILE_DEPTH_MOST = 16, /* nesting of a file that a person wrote */
	DV_CATALOG_FILE_MOST = 4 << 20,
	DV_TENANTS_MOST = 10000, /* of one fleet, after `count` is unfolded */
	DV_GPUS_MOST = 4096,
	DV_CPUS_MOST = 512,    /* that the CPU device can be made of */
	DV_LEASES_MOST = 4096, /* of one divvyd */

	DV_WAITING_MOST = 512,	 /* operations that wait for their turn, of one divvyd */
	DV_JOURNAL_MOST = 10000, /* operations kept after their end */
	DV_AUDIT_MOST = 1 << 20, /* entries kept */

	DV_HTTP_BODY_MOST = 4 << 20,
	DV_HTTP_ANSWER_MOST = 64 << 20, /* what a client reads */
	DV_HTTP_CLIENTS_MOST = 256,
	DV_CLIENTS_PER_LEASE_MOST = 512, /* processes of one tenant attached to the gate */
	DV_LOOKERS_PER_LEASE_MOST = 512, /* and of those that only look */

	DV_SYSFS_FILE_MOST = 64 << 10,
	DV_SYSFS_ENTRIES_MOST = 65536,

	DV_WORKER_MESSAGE_MOST = 64 << 10,
};
