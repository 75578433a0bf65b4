/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said of a request without looking at any GPU. */
#include <stdio.h>

#include "base/str.h"
#include "engine/internal.h"

int dv_engine_check_allowed(struct dv_engine *engine, const struct dv_identity *who,
			    const char *verb, const char *subject, struct dv_error *err)
{
	char text[96];

	if (who->allowed)
		return 0;
	(void)snprintf(text, sizeof(text), "%s: not a member of the groups that may", verb);
	(void)dv_engine_audit(engine, who, "refused", subject, text, NULL);
	dv_error_rule(err, -EPERM, "S17", "user %u is not allowed to take leases here", who->uid);
	return dv_error_fix(err, -EPERM,
			    "ask the administrator to add you to one of the groups that divvyd "
			    "is configured for, then log in again");
}

int dv_engine_check_name(const char *name, struct dv_error *err)
{
	if (dv_is_name(name, DV_NAME_MOST))
		return 0;
	dv_error_rule(err, -EINVAL, "F08", "'%.100s' is not a name for a lease", name);
	return dv_error_fix(err, -EINVAL,
			    "use 1 to %d letters, digits, '.', '_' or '-', not beginning with '.' "
			    "or '-'",
			    DV_NAME_MOST);
}

int dv_engine_check_method(enum dv_method method, enum dv_kind kind, struct dv_error *err)
{
	if (kind == DV_KIND_VM && method == DV_METHOD_SLICE) {
		dv_error_rule(err, -EOPNOTSUPP, "G06",
			      "a slice is held by a layer in the tenant's process; a virtual "
			      "machine has none");
		return dv_error_fix(err, -EOPNOTSUPP,
				    "ask for a whole GPU (passthrough), or for kind process or "
				    "container");
	}
	if (method == DV_METHOD_SLICE || method == DV_METHOD_PASSTHROUGH ||
	    method == DV_METHOD_PARTITION || method == DV_METHOD_MIG)
		return 0;
	dv_error_rule(err, -EOPNOTSUPP, "G09", "divvy cannot make a lease by method %s yet",
		      dv_method_name(method));
	return dv_error_fix(err, -EOPNOTSUPP, "ask for slice, partition or passthrough");
}
