/* SPDX-License-Identifier: Apache-2.0 */
/* Where each tenant of a fleet goes, and the steps from today's state. Pure: no I/O, no clock; the
 * same input gives the same plan. The input is the caller's and is only read.
 *
 * What is sought, in this order: as many tenants placed as can be; as few running ones disturbed
 * and as few leases moved as that needs; as few GPUs as that needs; the tightest fit. What stands
 * as wanted is kept. Small fleets are searched through, so that the answer is the best there is;
 * for large ones best fit by size has to do, and `bound` says what is known. */
#pragma once

#include "model/fleet.h"
#include "model/plan.h"

struct dv_plan_input {
	const struct dv_fleet *fleet;
	const struct dv_gpu *gpus;
	size_t gpu_count;
	const struct dv_leases *leases; /* all there are, whosever they are */
	uid_t uid;			/* who plans: the owner of what the fleet makes */
	bool admin;			/* may plan another's fleet, and then plans for its owner */
	bool defragment;		/* also put together what room lies in pieces */
	const char *state;		/* hash of what was observed, put into the plan */
};

/* Make the plan; *ret is untouched on failure, and then the caller's (dv_plan_fini). Tenants that
 * cannot be placed are listed with rule and reason: that is no failure.
 *
 * A method that is not named follows from the isolation that is needed: dedicated (or whole GPUs)
 * is passthrough, hardware is mig, else slice. A size that is not said is at least 256 MiB and 1 %,
 * and an even part of what is left on the GPU, one more part being left; a standing lease's is
 * kept. A partition of the CPU device has the CPUs that the share or the memory asks for, rounded
 * up.
 *
 * Steps that unmake come first; a step that needs the room or the name that another one frees has
 * it in `needs`. The node of a slice that is to be made is "": its lease's id is not known yet. A
 * whole device is made by "whole.create". A tenant of several whole GPUs has one assignment and one
 * lease for each, called NAME, NAME.1, ...
 *
 * -EPERM (rule S15) when the fleet's leases are another user's and `admin` is not set; -E2BIG for
 * more leases than a divvyd keeps; -ENOMEM. */
int dv_plan_make(const struct dv_plan_input *input, struct dv_plan *ret,
		 struct dv_error *err) DV_MUST_CHECK;
