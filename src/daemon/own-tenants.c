/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own-tenants.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "daemon/peer.h"
#include "device/proc.h"

/* A line is a process: "PID START". */
enum { LINE_MOST = 32, TEXT_MOST = DV_TENANTS_LISTED_MOST * LINE_MOST, ENTRIES_MOST = 65536 };

void dv_tenants_name(const char *lock, const char *place, char ret[DV_TENANTS_FILE_SIZE])
{
	(void)snprintf(ret, DV_TENANTS_FILE_SIZE, "%.60s.%u.%016" PRIx64, lock, geteuid(),
		       dv_hash(DV_HASH_INIT, place, strlen(place)));
}

int dv_tenants_make(int dir_fd, const char *file, struct dv_error *err)
{
	int fd, r;

	/* Ours from before, or, for root, anybody's. */
	(void)unlinkat(dir_fd, file, 0);
	fd = openat(dir_fd, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST) {
		r = dv_error_rule(err, -EPERM, "S03", "the file %s is somebody else's", file);
		return dv_error_fix(err, r, "as root: remove it");
	}
	return fd < 0 ? dv_error_errno(err, errno, "the file %s", file) : fd;
}

static uint64_t known_start(const struct dv_own_tenants *tenants, pid_t pid)
{
	for (size_t i = 0; i < tenants->len; i++)
		if (tenants->items[i].pid == pid)
			return tenants->items[i].start;
	return 0;
}

static bool same(const struct dv_own_tenants *tenants, const pid_t *pids, size_t count)
{
	if (tenants->len != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (tenants->items[i].pid != pids[i])
			return false;
	return true;
}

void dv_tenants_write(int fd, const struct dv_root *root, const pid_t *pids, size_t count,
		      struct dv_own_tenants *tenants)
{
	struct dv_own_tenants now = {0};
	struct dv_buf text = {0};
	bool failed = false;

	count = DV_MIN(count, (size_t)DV_TENANTS_LISTED_MOST);
	if (same(tenants, pids, count))
		return;
	for (size_t i = 0; i < count && !failed; i++) {
		uint64_t start = known_start(tenants, pids[i]);
		struct dv_own_tenant tenant = {pids[i],
					       start ? start : dv_peer_start(root, pids[i])};

		failed = dv_vec_push(&now, tenant) < 0;
		dv_buf_addf(&text, "%d %" PRIx64 "\n", (int)tenant.pid, tenant.start);
	}
	if (!failed && !text.failed &&
	    (!text.len || pwrite(fd, text.data, text.len, 0) == (ssize_t)text.len) &&
	    ftruncate(fd, (off_t)text.len) == 0) {
		dv_vec_fini(tenants);
		*tenants = now;
		now = (struct dv_own_tenants){0};
	}
	dv_vec_fini(&now);
	dv_buf_fini(&text);
}

/* Has it ended, but for being waited for? */
static bool is_zombie(const struct dv_root *root, pid_t pid)
{
	char path[64], stat[1024];
	const char *end;

	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (dv_root_read(root, path, stat, sizeof(stat), NULL) < 0)
		return false;
	end = strrchr(stat, ')');
	return end && (strncmp(end, ") Z", 3) == 0 || strncmp(end, ") X", 3) == 0);
}

static bool lives(const struct dv_root *root, const struct dv_own_tenant *tenant, uid_t owner)
{
	uint64_t start = dv_peer_start(root, tenant->pid);
	uid_t uid;

	/* Hidden from us, but there: better refused than shared. */
	if (!start)
		return kill(tenant->pid, 0) < 0 && errno == EPERM;
	if (start != tenant->start || is_zombie(root, tenant->pid))
		return false;
	return owner == 0 || (dv_proc_uid(root, tenant->pid, &uid, NULL) == 0 && uid == owner);
}

/* The first that lives of those listed, or 0. */
static pid_t find_living(int fd, const struct dv_root *root, uid_t owner)
{
	dv_autofree char *text = malloc(TEXT_MOST);
	char *save = NULL;
	ssize_t n = text ? pread(fd, text, TEXT_MOST - 1, 0) : -1;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct dv_own_tenant tenant;
		int pid, end = 0;

		if (sscanf(line, "%9d %16" SCNx64 "%n", &pid, &tenant.start, &end) != 2 ||
		    line[end] || pid <= 0)
			continue;
		tenant.pid = pid;
		if (lives(root, &tenant, owner))
			return pid;
	}
	return 0;
}

static pid_t look_into(int dir_fd, const struct dv_root *root, const char *file, uid_t owner)
{
	dv_autoclose int fd =
		openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != owner)
		return 0;
	return find_living(fd, root, owner);
}

/* Is it somebody's list for this lock? */
static bool is_list(const char *file, const char *lock, uid_t *ret_uid)
{
	size_t len = strlen(lock);
	char place[17];
	int end = 0;

	return strncmp(file, lock, len) == 0 && strlen(file) < DV_TENANTS_FILE_SIZE &&
	       sscanf(file + len, ".%10u.%16[0-9a-f]%n", ret_uid, place, &end) == 2 &&
	       !file[len + (size_t)end];
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int dv_tenants_find(int dir_fd, const struct dv_root *root, const char *lock, const char *own,
		    struct dv_tenant_found *ret, struct dv_error *err)
{
	dv_autoclose int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dv_cleanup(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned count = 0;

	if (!dir)
		return dv_error_errno(err, errno, "the directory of locks");
	(void)take_fd(fd);
	while ((entry = readdir(dir))) {
		uid_t uid;
		pid_t pid;

		if (++count > ENTRIES_MOST)
			return dv_error_fix(err,
					    dv_error_rule(err, -EPERM, "S03",
							  "the directory of locks has more than %d "
							  "files",
							  ENTRIES_MOST),
					    "remove what is no lock of a divvyd's there");
		if (!is_list(entry->d_name, lock, &uid) || strcmp(entry->d_name, own) == 0)
			continue;
		pid = look_into(dir_fd, root, entry->d_name, uid);
		if (!pid)
			continue;
		ret->pid = pid;
		ret->uid = uid;
		(void)dv_copy(ret->file, sizeof(ret->file), entry->d_name);
		return 1;
	}
	return 0;
}
