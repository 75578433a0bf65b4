/* SPDX-License-Identifier: Apache-2.0 */
/* What a config of mig-parted means on this machine: which entry is for which GPU, how that differs
 * from what there is, and the fleet that makes it so. And the other way: what there is, as a
 * config. Pure; what goes in is borrowed.
 *
 * GPUs are numbered as mig-parted does it: NVIDIA's alone, in the order of their PCI addresses. A
 * config says how many partitions of each profile, never where: the places are chosen here, so that
 * the fewest are ended, those in use last. The fleet's tenants have exact places, one each. */
#pragma once

#include "model/fleet.h"
#include "model/gpu.h"
#include "model/mig-parted.h"
#include "plan/diff.h"

/* The fleet that all configs are: a machine has one at a time. */
#define DV_PARTED_FLEET "mig-parted"

enum { DV_PARTED_NOTES_MOST = 3 };

/* What a config is held against. */
struct dv_parted_machine {
	const struct dv_gpu *gpus;
	size_t gpu_count;
	const struct dv_leases *leases; /* all there are */
};

struct dv_parted_match {
	const struct dv_mig_parted *parted;
	const struct dv_mig_parted_config *config;
	struct dv_parted_machine machine;
	/* Owned; of each GPU the entry that counts for it, or NULL: it is left as it is. */
	const struct dv_mig_parted_entry **entries;
	/* What is worth knowing and stops nothing. */
	unsigned note_count;
	char notes[DV_PARTED_NOTES_MOST][256];
};

/* Find each GPU's entry. Of several the last counts, as with mig-parted; a note tells where they
 * differ. -ENOENT with rule S18: an entry names a GPU by a number that none has, or no entry is for
 * any GPU here; -ENOMEM. */
int dv_parted_match(const struct dv_mig_parted *parted, const struct dv_mig_parted_config *config,
		    const struct dv_parted_machine *machine, struct dv_parted_match *ret,
		    struct dv_error *err) DV_MUST_CHECK;
void dv_parted_match_fini(struct dv_parted_match *match);

/* Modes and partitions, wanted and actual, whoever made them. GPUs without an entry have no wish.
 * -ENOMEM. */
int dv_parted_diff(const struct dv_parted_match *match, struct dv_differences *ret,
		   struct dv_error *err) DV_MUST_CHECK;

/* The fleet that makes it so, the caller's. A partition that is not this fleet's is left where it
 * is: it counts when it is wanted whole; when it is not it is refused (rule S01). Leases of the
 * fleet on GPUs without an entry stay. Parts of partitions fill as few of them as can be.
 * Refused too: M01 a profile that the GPU has not, or that has no such part; M02 no MIG; M03 places
 * not known; M04 not all fit. */
int dv_parted_fleet(const struct dv_parted_match *match, struct dv_fleet *ret,
		    struct dv_error *err) DV_MUST_CHECK;

/* What there is, as one config of that name. -ENOENT without a GPU of NVIDIA; -ENOMEM. */
int dv_parted_export(const char *name, const struct dv_parted_machine *machine,
		     struct dv_mig_parted *ret, struct dv_error *err) DV_MUST_CHECK;
