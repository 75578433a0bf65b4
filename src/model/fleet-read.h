/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of reading a fleet file: fleet.c reads the file, fleet-tenant.c a tenant. Documents and
 * fleets are fleet.c's. */
#pragma once

#include "model/fleet.h"
#include "model/yaml.h"

/* What a tenant gets that says nothing itself. */
struct dv_fleet_defaults {
	enum dv_kind kind;
	enum dv_method method;
	enum dv_policy policy;
	bool policy_set;
	enum dv_isolation isolation;
	bool isolation_set;
	enum dv_move move;
	const struct dv_slice_profile *profiles; /* the fleet's own */
	size_t profile_count;
};

/* Read one tenant, defaults merged, not unfolded: its name is the file's. */
int dv_fleet_read_tenant(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			 const struct dv_fleet_defaults *defaults, struct dv_tenant *ret_tenant,
			 unsigned *ret_count, struct dv_error *err) DV_MUST_CHECK;

/* Read one of the fleet's own profiles. */
int dv_fleet_read_profile(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			  struct dv_slice_profile *ret, struct dv_error *err) DV_MUST_CHECK;

int dv_fleet_read_defaults(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			   struct dv_fleet_defaults *ret, struct dv_error *err) DV_MUST_CHECK;

/* A method that divvy can set up; those that are advice only are refused. */
int dv_fleet_read_method(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			 enum dv_method *ret, struct dv_error *err) DV_MUST_CHECK;

/* A name by dv_is_name; rule F08. */
int dv_fleet_read_name(const struct dv_yaml *doc, const struct dv_yaml_node *node, char *buf,
		       size_t size, struct dv_error *err) DV_MUST_CHECK;

/* A text of printable ASCII characters, and of these only `chars` where that is not NULL; rule F08.
 */
int dv_fleet_read_ascii(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			const char *chars, char *buf, size_t size,
			struct dv_error *err) DV_MUST_CHECK;
