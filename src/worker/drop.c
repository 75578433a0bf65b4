/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/drop.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { DESCRIPTORS_MOST = 256 };

#define CAPABILITY(name) (UINT64_C(1) << (name))

static uint64_t needed(const struct dv_worker_request *request)
{
	switch (request->what) {
	case DV_WORKER_COMMIT:
	case DV_WORKER_UNDO:
		/* The topmost cgroup is root's, but not for writing (mode 0555). */
		if (request->step.lease.method == DV_METHOD_PARTITION)
			return CAPABILITY(CAP_DAC_OVERRIDE);
		/* The driver asks for it to change modes and partitions. */
		if (dv_lease_on_mig(&request->step.lease))
			return CAPABILITY(CAP_SYS_ADMIN);
		break;
	case DV_WORKER_END_USER:
		return CAPABILITY(CAP_KILL) | CAPABILITY(CAP_SYS_PTRACE) |
		       CAPABILITY(CAP_DAC_READ_SEARCH);
	case DV_WORKER_USERS:
	case DV_WORKER_HOLDERS: /* look into other users' /proc/<pid>/maps and fd */
		return CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_READ_SEARCH);
	case DV_WORKER_ENTER: /* move a process that has privileges of its own */
		return CAPABILITY(CAP_SYS_NICE);
	case DV_WORKER_PROBE:
	case DV_WORKER_WATCH:
	case DV_WORKER_WHAT_END:
		break;
	}
	return 0;
}

static int keep_only(uint64_t keep)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int dv_worker_drop(const struct dv_worker_request *request, struct dv_error *err)
{
	static const struct rlimit no_core = {0, 0},
				   few_descriptors = {DESCRIPTORS_MOST, DESCRIPTORS_MOST};
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return dv_error_errno(err, errno, "giving up new privileges");
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = keep_only(needed(request));
	if (r < 0)
		return dv_error_errno(err, -r, "giving up capabilities");
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return dv_error_errno(err, errno, "giving up core files");
	if (setrlimit(RLIMIT_NOFILE, &few_descriptors) < 0)
		return dv_error_errno(err, errno, "limiting descriptors");
	return 0;
}
