/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/str.h"

/* Somebody who looks at a lock holds it for a moment; a replaced file is opened again. */
enum { TRIES = 5, TRY_NS = 1000000 };

int dv_own_init(struct dv_own *own, const char *dir, const struct dv_root *root, const char *place,
		struct dv_error *err)
{
	struct dv_own fresh = {.root = root, .place = place};

	if (!dv_copy(fresh.dir, sizeof(fresh.dir), dir))
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %.60s...", dir);
	*own = fresh;
	return 0;
}

/* A file's name for the device: its place on the bus where it has one, as that is what two drivers
 * of one device have in common. */
static void lock_name(const struct dv_gpu *gpu, char *buf, size_t size)
{
	(void)dv_copy(buf, size, gpu->address[0] ? gpu->address : gpu->uuid);
	for (char *c = buf; *c; c++)
		if (!(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'z') &&
		    !(*c >= 'A' && *c <= 'Z') && *c != '-' && *c != '_')
			*c = '_';
}

static int check_dir(int fd, const char *dir, struct dv_error *err)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return dv_error_errno(err, errno, "%s", dir);
	/* root takes a directory over that a user made first. */
	if (geteuid() == 0 && st.st_uid != 0) {
		if (fchown(fd, 0, 0) < 0 || fchmod(fd, 01777) < 0 || fstat(fd, &st) < 0)
			return dv_error_errno(err, errno, "%s", dir);
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		r = dv_error_rule(err, -EPERM, "S03",
				  "%s belongs to user %u, who could take any "
				  "lock in it away",
				  dir, st.st_uid);
		return dv_error_fix(err, r, "as root: chown root: %s && chmod 1777 %s", dir, dir);
	}
	if ((st.st_mode & 0022) && !(st.st_mode & S_ISVTX)) {
		r = dv_error_rule(err, -EPERM, "S03", "%s can be changed by others (mode %04o)",
				  dir, st.st_mode & 07777);
		return dv_error_fix(err, r, "as root: chmod 1777 %s", dir);
	}
	return 0;
}

static int make_dir(const char *dir, struct dv_error *err)
{
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		r = dv_error_errno(err, errno, "making %s, where divvyds lock their devices", dir);
		return dv_error_fix(err, r, "as root: install -d -m 1777 %s", dir);
	}
	/* Whatever the umask. Of a link's target this changes nothing: open refuses links first. */
	dv_autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return dv_error_errno(err, errno, "%s", dir);
	if (st.st_uid == geteuid() && fchmod(fd, 01777) < 0)
		return dv_error_errno(err, errno, "%s", dir);
	return 0;
}

/* Returns a descriptor; with `make` false a missing directory is -ENOENT. */
static int open_dir(const struct dv_own *own, bool make, struct dv_error *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	dv_autoclose int fd = open(own->dir, flags);
	int r;

	if (fd < 0 && errno == ENOENT && make) {
		r = make_dir(own->dir, err);
		if (r < 0)
			return r;
		fd = open(own->dir, flags);
	}
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return dv_error_fix(
			err, dv_error_rule(err, -EPERM, "S03", "%s is not a directory", own->dir),
			"let it be a directory of root's, or name another one: --lock-dir");
	if (fd < 0)
		return dv_error_errno(err, errno, "%s", own->dir);
	r = check_dir(fd, own->dir, err);
	return r < 0 ? r : take_fd(fd);
}

/* Open without O_CREAT where the file is there: the kernel refuses O_CREAT on another's file in a
 * sticky directory. Another's is opened for reading, which is enough to lock it. */
static int open_file(int dir_fd, const char *name, struct dv_error *err)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	dv_autoclose int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | flags, 0644);
	struct stat st;

	if (fd < 0 && errno == EEXIST)
		fd = openat(dir_fd, name, O_RDWR | flags);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		fd = openat(dir_fd, name, O_RDONLY | flags);
	if (fd < 0 && errno == ELOOP)
		return dv_error_fix(
			err, dv_error_rule(err, -EPERM, "S03", "the lock file %s is a link", name),
			"remove it, then try again");
	if (fd < 0)
		return dv_error_errno(err, errno, "the lock file %s", name);
	if (fstat(fd, &st) < 0)
		return dv_error_errno(err, errno, "the lock file %s", name);
	if (!S_ISREG(st.st_mode))
		return dv_error_fix(err,
				    dv_error_rule(err, -EPERM, "S03",
						  "the lock file %s is no plain file", name),
				    "remove it, then try again");
	return take_fd(fd);
}

/* Is what we locked still what the name stands for? */
static bool still_there(int dir_fd, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir_fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void write_owner(int fd)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u %d\n", geteuid(), (int)getpid());

	/* Only for people to read; another user's file stays as it is. */
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text, (size_t)n, 0);
}

static struct dv_own_lock *find(const struct dv_own *own, const char *name)
{
	for (size_t i = 0; i < own->locks.len; i++)
		if (strcmp(own->locks.items[i].name, name) == 0)
			return &own->locks.items[i];
	return NULL;
}

static int refuse(const struct dv_own *own, const struct dv_gpu *gpu, struct dv_error *err)
{
	char who[64];
	int r;

	dv_own_holder(own, gpu, who, sizeof(who));
	r = dv_error_rule(err, -EBUSY, "S05", "GPU %s is owned by another divvyd%s%s", gpu->id,
			  who[0] ? ": " : "", who);
	return dv_error_fix(err, r, "use that one (--socket), or release its leases first");
}

static int lock(const struct dv_own *own, int dir_fd, const char *name, const struct dv_gpu *gpu,
		struct dv_error *err)
{
	const struct timespec moment = {.tv_nsec = TRY_NS};

	for (unsigned i = 0; i < TRIES; i++) {
		dv_autoclose int fd = open_file(dir_fd, name, err);

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			(void)nanosleep(&moment, NULL);
		else if (still_there(dir_fd, name, fd))
			return take_fd(fd);
	}
	return refuse(own, gpu, err);
}

static void unlock(const struct dv_own *own, struct dv_own_lock *held)
{
	dv_autoclose int dir_fd = open_dir(own, false, NULL);
	char file[DV_TENANTS_FILE_SIZE];

	dv_tenants_name(held->name, own->place, file);
	if (dir_fd >= 0 && held->list_fd >= 0 && !held->tenants.len)
		(void)unlinkat(dir_fd, file, 0);
	/* While it is locked, so that nobody owns a file without a name unawares. */
	if (dir_fd >= 0 && still_there(dir_fd, held->name, held->fd))
		(void)unlinkat(dir_fd, held->name, 0);
	if (held->list_fd >= 0)
		close(held->list_fd);
	dv_vec_fini(&held->tenants);
	close(held->fd);
}

static int refuse_tenants(const struct dv_own *own, const struct dv_gpu *gpu,
			  const struct dv_tenant_found *found, struct dv_error *err)
{
	int r = dv_error_rule(err, -EBUSY, "S05",
			      "GPU %s is still used by process %d, a tenant of user %u's divvyd, "
			      "which ended",
			      gpu->id, (int)found->pid, found->uid);

	return dv_error_fix(err, r,
			    "start that divvyd again, end its tenants, or as root: rm %s/%s",
			    own->dir, found->file);
}

/* The lock is ours; but tenants of one who had it before may still be at work. */
static int list_tenants(const struct dv_own *own, int dir_fd, const struct dv_gpu *gpu,
			struct dv_own_lock *held, struct dv_error *err)
{
	struct dv_tenant_found found = {0};
	char file[DV_TENANTS_FILE_SIZE];
	int r;

	dv_tenants_name(held->name, own->place, file);
	r = dv_tenants_find(dir_fd, own->root, held->name, file, &found, err);
	if (r > 0)
		r = refuse_tenants(own, gpu, &found, err);
	if (r < 0)
		return r;
	held->list_fd = dv_tenants_make(dir_fd, file, err);
	return held->list_fd < 0 ? held->list_fd : 0;
}

int dv_own_take(struct dv_own *own, const struct dv_gpu *gpu, struct dv_error *err)
{
	struct dv_own_lock held = {.fd = -1, .list_fd = -1};
	int r;

	lock_name(gpu, held.name, sizeof(held.name));
	if (find(own, held.name))
		return 0;
	if (dv_vec_reserve(&own->locks) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for a lock");
	dv_autoclose int dir_fd = open_dir(own, true, err);

	if (dir_fd < 0)
		return dir_fd;
	held.fd = lock(own, dir_fd, held.name, gpu, err);
	if (held.fd < 0)
		return held.fd;
	r = list_tenants(own, dir_fd, gpu, &held, err);
	if (r < 0) {
		unlock(own, &held);
		return r;
	}
	write_owner(held.fd);
	own->locks.items[own->locks.len++] = held;
	return 0;
}

void dv_own_drop(struct dv_own *own, const struct dv_gpu *gpu)
{
	char name[64];
	struct dv_own_lock *held;

	lock_name(gpu, name, sizeof(name));
	held = find(own, name);
	if (!held)
		return;
	unlock(own, held);
	dv_vec_remove(&own->locks, (size_t)(held - own->locks.items));
}

void dv_own_note(struct dv_own *own, const struct dv_gpu *gpu, const pid_t *pids, size_t count)
{
	char name[64];
	struct dv_own_lock *held;

	lock_name(gpu, name, sizeof(name));
	held = find(own, name);
	if (held)
		dv_tenants_write(held->list_fd, own->root, pids, count, &held->tenants);
}

void dv_own_fini(struct dv_own *own)
{
	for (size_t i = 0; i < own->locks.len; i++)
		unlock(own, &own->locks.items[i]);
	dv_vec_fini(&own->locks);
}

/* Who locked it, from what the file says; its owner where it says nothing believable. */
static void print_holder(int fd, char *buf, size_t size)
{
	unsigned uid;
	struct stat st;
	char text[64];
	int pid;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (fstat(fd, &st) < 0)
		(void)snprintf(buf, size, "somebody");
	else if (sscanf(text, "%9u %9d", &uid, &pid) == 2 && uid == st.st_uid && pid > 0)
		(void)snprintf(buf, size, "user %u, pid %d", uid, pid);
	else
		(void)snprintf(buf, size, "user %u", st.st_uid);
}

static void print_tenant(const struct dv_own *own, int dir_fd, const char *name, char *buf,
			 size_t size)
{
	struct dv_tenant_found found = {0};
	char file[DV_TENANTS_FILE_SIZE];

	dv_tenants_name(name, own->place, file);
	if (dv_tenants_find(dir_fd, own->root, name, file, &found, NULL) > 0)
		(void)snprintf(buf, size, "user %u, tenant %d", found.uid, (int)found.pid);
}

void dv_own_holder(const struct dv_own *own, const struct dv_gpu *gpu, char *buf, size_t size)
{
	dv_autoclose int dir_fd = open_dir(own, false, NULL);
	char name[64];

	buf[0] = '\0';
	lock_name(gpu, name, sizeof(name));
	if (dir_fd < 0 || find(own, name))
		return;
	dv_autoclose int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	/* A shared lock, given back at once, disturbs nobody else who only looks. */
	if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		print_holder(fd, buf, size);
	else
		print_tenant(own, dir_fd, name, buf, size);
}
