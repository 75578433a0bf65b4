/* SPDX-License-Identifier: Apache-2.0 */
/* A file of the Container Device Interface, version 0.5.0: what a runtime adds to a container that
 * is given the device divvy/lease=NAME. Pure: nothing of the machine is looked at. It owns its
 * texts; a failed addition leaves it as it was. */
#pragma once

#include "base/error.h"
#include "base/vec.h"

#define DV_CDI_KIND "divvy/lease"

struct dv_cdi_mount {
	char *from, *to; /* on the host, in the container */
	bool writable;
};

struct dv_cdi {
	const char *name;		    /* of the device; not owned */
	DV_VEC(char *) env;		    /* "KEY=VALUE" */
	DV_VEC(char *) nodes;		    /* "/dev/...", the same on both sides */
	DV_VEC(struct dv_cdi_mount) mounts; /* in this order */
};

/* -ENOMEM. */
int dv_cdi_env(struct dv_cdi *cdi, const char *name, const char *value) DV_MUST_CHECK;
int dv_cdi_node(struct dv_cdi *cdi, const char *path) DV_MUST_CHECK;
int dv_cdi_mount(struct dv_cdi *cdi, const char *from, const char *to, bool writable) DV_MUST_CHECK;

/* The file, which the caller frees. -EINVAL (rule F08) for a name that no device can have there:
 * one that does not begin and end with a letter or a digit. -EINVAL for a path that is not
 * absolute. */
int dv_cdi_print(const struct dv_cdi *cdi, char **ret_text, struct dv_error *err) DV_MUST_CHECK;

void dv_cdi_fini(struct dv_cdi *cdi);
