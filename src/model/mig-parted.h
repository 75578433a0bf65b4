/* SPDX-License-Identifier: Apache-2.0 */
/* Files of NVIDIA's mig-parted: named configs, each a list of what is wanted of some GPUs (the
 * format's `version: v1`, github.com/NVIDIA/mig-parted, api/spec/v1). Parsed, checked and printed
 * here; what they mean on a machine is plan/mig-parted.h's.
 *
 * A file is read as it is, or out of the Kubernetes ConfigMap that carries it, also where other
 * manifests stand before or after that one. Messages have the line and column of the whole file. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/vec.h"
#include "model/gpu.h"

enum { DV_MIG_PARTED_COUNT_MOST = 255 }; /* of one profile */

/* "0x20B010DE": GPUs of that PCI device and vendor; with ":0x134F10DE" of that board alone. */
struct dv_mig_parted_filter {
	struct dv_pci_id id;
	bool board; /* subdevice and subvendor count */
};

/* So many MIG devices of a profile. */
struct dv_mig_parted_count {
	char profile[DV_PROFILE_SIZE]; /* "1g.10gb+me", "1c.3g.20gb" */
	unsigned count;
	int line, column;
};

/* What is wanted of some GPUs. */
struct dv_mig_parted_entry {
	DV_VEC(struct dv_mig_parted_filter) filters; /* one must fit; none: every GPU */
	bool all;				     /* every index */
	DV_VEC(unsigned) devices;		     /* else these */
	bool enabled;				     /* MIG mode */
	DV_VEC(struct dv_mig_parted_count) counts;
	int line, column;
};

struct dv_mig_parted_config {
	char name[DV_NAME_SIZE];
	DV_VEC(struct dv_mig_parted_entry) entries;
	int line, column;
};

struct dv_mig_parted {
	char file[192]; /* for messages */
	DV_VEC(struct dv_mig_parted_config) configs;
};

/* Does the text look like such a file: has it a key mig-configs? Cheap, and no promise. */
bool dv_mig_parted_is(const char *text, size_t len);

/* Parse `len` bytes called `file`. -EBADMSG with file, line, column, a rule F.. and what to do;
 * -E2BIG over a limit. */
int dv_mig_parted_parse(const char *text, size_t len, const char *file, struct dv_mig_parted *ret,
			struct dv_error *err) DV_MUST_CHECK;
void dv_mig_parted_fini(struct dv_mig_parted *parted);
void dv_mig_parted_entry_fini(struct dv_mig_parted_entry *entry);

/* The config of that name; "" for the only one. -EINVAL that lists the names: rule F11, or F10 when
 * there are several and none is named; -ENOMEM. */
int dv_mig_parted_find(const struct dv_mig_parted *parted, const char *name,
		       const struct dv_mig_parted_config **ret, struct dv_error *err) DV_MUST_CHECK;

/* Print as a file that parses to the same; the caller frees. */
int dv_mig_parted_print(const struct dv_mig_parted *parted, char **ret_text,
			struct dv_error *err) DV_MUST_CHECK;
