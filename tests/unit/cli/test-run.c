/* SPDX-License-Identifier: Apache-2.0 */
/* divvy run, with real processes and a divvyd that the test brings. This program is also the
 * command that is run: argv[1] says what it does then. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "../temporary.h"
#include "api/api.h"
#include "base/file.h"
#include "fake-divvyd.h"

static char self[512];
static struct dv_api_grant grant;
static struct dv_lease lease_now; /* what GET /v1/leases/NAME answers */
static bool name_taken;		  /* GET .../attach finds the lease */
static int leak = -1;		  /* what a library opens while divvyd is asked, and leaves open */

static char *serve(const char *verb, const char *path)
{
	if (strcmp(verb, "POST") == 0 && strcmp(path, "/v1/leases") == 0) {
		if (leak == 0)
			leak = dup(STDERR_FILENO);
		return fake_grant_text(&grant);
	}
	if (strcmp(verb, "GET") == 0 && strcmp(path, "/v1/leases/x/attach") == 0 && name_taken)
		return fake_grant_text(&grant);
	if (strcmp(verb, "GET") == 0 && strcmp(path, "/v1/leases/x") == 0)
		return fake_lease_text(&lease_now);
	return NULL;
}

static const struct fake_answer answers[] = {
	{"DELETE", "/v1/leases/x?id=7&leave=1", "{}", {0}},
	{"POST", "/v1/leases/x/unenforced", "{}", {0}},
	{"POST", "/v1/leases/x/enter", "{}", {0}},
	{"GET", "/v1/leases/x/attach", NULL, {.code = -ENOENT, .rule = "S09", .message = "none"}},
};

static int set_up(void **state)
{
	grant = fake_grant("x");
	lease_now = grant.lease;
	name_taken = false;
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	fake_divvyd_serve(serve);
	return 0;
}

static bool was_asked(const char *what)
{
	return strstr(fake_divvyd_asked(), what);
}

static void add_env(const char *text)
{
	(void)snprintf(grant.env[grant.env_count++], sizeof(grant.env[0]), "%s", text);
}

static void test_status_is_passed_on(void **state)
{
	struct fake_run run;

	FAKE_RUN(&run, "run", "--", "sh", "-c", "exit 7");
	assert_int_equal(run.status, 7);
	assert_string_equal(run.out, "");
	assert_string_equal(run.err, "");
	fake_run_fini(&run);
	FAKE_RUN(&run, "run", "true");
	assert_int_equal(run.status, 0);
	fake_run_fini(&run);
	FAKE_RUN(&run, "run", "sh", "-c", "kill -USR1 $$");
	assert_int_equal(run.status, 128 + SIGUSR1);
	fake_run_fini(&run);
	assert_true(was_asked("DELETE /v1/leases/x?id=7&leave=1\n"));
}

static void test_request(void **state)
{
	struct fake_run run;

	FAKE_RUN(&run, "run", "-m", "2GiB", "--compute", "25%", "--policy", "latency", "--gpu", "0",
		 "--method", "slice", "--name", "x", "true");
	assert_int_equal(run.status, 0);
	assert_true(was_asked("GET /v1/leases/x/attach\nPOST /v1/leases {"));
	assert_true(was_asked("2147483648"));
	assert_true(was_asked("latency"));
	fake_run_fini(&run);
}

static void assert_refused(int status, const char *part, const char *const *words)
{
	struct fake_run run;

	fake_run(&run, words);
	assert_int_equal(run.status, status);
	assert_string_equal(run.out, "");
	if (!strstr(run.err, part))
		fail_msg("'%s' is not in: %s", part, run.err);
	fake_run_fini(&run);
}

#define REFUSED(status, part, ...)                                                                 \
	assert_refused(status, part, (const char *const[]){"run", __VA_ARGS__, NULL})

static void test_bad_options(void **state)
{
	REFUSED(2, "--memory: ", "--memory", "8", "true");
	REFUSED(2, "--compute: ", "--compute", "101%", "true");
	REFUSED(2, "--policy: ", "--policy", "fair", "true");
	REFUSED(3, "G09", "--method", "mig", "true");
	REFUSED(3, "fix: write slice, partition or passthrough", "--method", "vgpu", "true");
	REFUSED(2, "is 'slice' meant?", "--method", "sliec", "true");
	REFUSED(2, "fix: write slice, partition or passthrough", "--method", "none", "true");
	REFUSED(2, "--unenforced: ", "--unenforced", "maybe", "true");
	REFUSED(2, "fix: write stop or warn", "--unenforced", "maybe", "true");
	REFUSED(2, "F08", "--name", "a/b", "true");
	REFUSED(2, "option '--gpu' needs a value", "--gpu", "", "true");
	REFUSED(2, "'run' needs", "--memory", "8GiB");
	assert_string_equal(fake_divvyd_asked(), "");
}

/* Nothing that was asked for is passed over in silence. */
static void test_options_that_contradict(void **state)
{
	REFUSED(2, "--policy says how", "--method", "partition", "--policy", "best-effort", "true");
	REFUSED(2, "--policy says how", "--method", "passthrough", "--policy", "latency", "true");
	REFUSED(2, "leave --memory and --compute out", "--method", "passthrough", "-m", "1GiB",
		"true");
	REFUSED(2, "leave --memory and --compute out", "--method", "passthrough", "-c", "5%",
		"true");
	REFUSED(2, "F12", "--method", "passthrough", "--unenforced", "warn", "true");
	REFUSED(2, "--unenforced is about the gate", "--method", "partition", "--unenforced",
		"stop", "true");
	assert_string_equal(fake_divvyd_asked(), "");
}

static void test_not_to_be_run(void **state)
{
	REFUSED(127, "/nowhere/at-all: No such file", "/nowhere/at-all");
	REFUSED(126, "/etc/passwd: Permission denied", "/etc/passwd");
	assert_true(was_asked("DELETE /v1/leases/x?id=7&leave=1\n"));
}

static void test_environment(void **state)
{
	struct fake_run run;

	add_env("DIVVY_TEST_A=one two");
	add_env("OPENCL_LAYERS=/x/layer.so");
	assert_int_equal(setenv("OPENCL_LAYERS", "/somebody/else.so", 1), 0);
	FAKE_RUN(&run, "run", "sh", "-c",
		 "[ \"$DIVVY_TEST_A\" = 'one two' ] && [ \"$OPENCL_LAYERS\" = /x/layer.so ]");
	assert_int_equal(run.status, 0);
	fake_run_fini(&run);
	/* Ours is as it was. */
	assert_string_equal(getenv("OPENCL_LAYERS"), "/somebody/else.so");
	assert_null(getenv("DIVVY_TEST_A"));
	assert_int_equal(unsetenv("OPENCL_LAYERS"), 0);
}

static void test_cpus(void **state)
{
	struct fake_run run;
	cpu_set_t set;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	(void)snprintf(grant.cpus, sizeof(grant.cpus), "%d", cpu);
	FAKE_RUN(&run, "run", self, "one-cpu");
	assert_int_equal(run.status, 0);
	fake_run_fini(&run);
	(void)snprintf(grant.cpus, sizeof(grant.cpus), "0-");
	REFUSED(2, "CPUs of its partition", "true");
}

static void test_cgroup_is_entered_before_the_command(void **state)
{
	struct fake_run run;

	(void)snprintf(grant.cgroup, sizeof(grant.cgroup), "sys/fs/cgroup/x");
	FAKE_RUN(&run, "run", "true");
	assert_int_equal(run.status, 0);
	assert_true(was_asked("POST /v1/leases/x/enter {"));
	fake_run_fini(&run);
}

/* The open descriptors as a list; `all`, or those that an exec hands on. */
static void list_fds(bool all, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int fd = 0; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0 && (all || !(flags & FD_CLOEXEC)) && len < size)
			len += (size_t)snprintf(buf + len, size - len, "%d,", fd);
	}
}

static void test_descriptors(void **state)
{
	char given[512];
	struct fake_run run;
	int passed = dup(STDERR_FILENO);

	assert_true(passed > STDERR_FILENO);
	list_fds(false, given, sizeof(given));
	leak = 0;
	FAKE_RUN(&run, "run", self, "fds", given);
	assert_int_equal(run.status, 0);
	assert_true(leak > passed);
	fake_run_fini(&run);
	/* Nothing was closed here. */
	assert_int_equal(close(leak), 0);
	assert_int_equal(close(passed), 0);
	leak = -1;
}

static void test_lease_that_is_there(void **state)
{
	struct fake_run run;

	name_taken = true;
	grant.lease.ephemeral = false;
	FAKE_RUN(&run, "run", "--name", "x", "true");
	assert_int_equal(run.status, 0);
	assert_string_equal(fake_divvyd_asked(), "GET /v1/leases/x/attach\n");
	fake_run_fini(&run);
	REFUSED(2, "with its own limits", "--name", "x", "--memory", "1GiB", "true");
}

/* The lease of somebody else's command is not given back by a second one in it, even while divvyd
 * sees no process of the first: it may use no device yet. */
static void test_lease_of_another_command(void **state)
{
	struct fake_run run;

	name_taken = true;
	FAKE_RUN(&run, "run", "--name", "x", "true");
	assert_int_equal(run.status, 0);
	assert_false(was_asked("DELETE"));
	fake_run_fini(&run);
}

/* A second command in an ephemeral lease is not cut off by the end of the first. */
static void test_lease_in_use_is_kept(void **state)
{
	struct fake_run run;

	lease_now.pid_count = 1;
	lease_now.pids[0] = getpid();
	FAKE_RUN(&run, "run", "true");
	assert_int_equal(run.status, 0);
	assert_false(was_asked("DELETE"));
	fake_run_fini(&run);
	/* One that divvyd has not yet seen end does not count. */
	lease_now.pids[0] = 0x3ffffff;
	FAKE_RUN(&run, "run", "true");
	assert_true(was_asked("DELETE"));
	fake_run_fini(&run);
	/* Nor do those of another lease that has the name by now; ours alone would be given back.
	 */
	lease_now.id++;
	lease_now.pids[0] = getpid();
	FAKE_RUN(&run, "run", "true");
	assert_true(was_asked("DELETE /v1/leases/x?id=7&leave=1\n"));
	fake_run_fini(&run);
}

static void test_measure(void **state)
{
	struct fake_run run;

	lease_now.pid_count = 1;
	lease_now.pids[0] = 0x3ffffff;
	lease_now.memory_used_bytes = UINT64_C(512) << 20;
	lease_now.got_mpct = 24500;
	lease_now.window_ms = 50;
	FAKE_RUN(&run, "run", "--measure", "sh", "-c", "sleep 0.3; exit 4");
	assert_int_equal(run.status, 4);
	assert_ptr_equal(strstr(run.err, "divvy: x ran "), run.err);
	assert_non_null(strstr(run.err, "got 24.5% of the time, of 25% wanted; "
					"at most 512MiB of 2GiB"));
	fake_run_fini(&run);
	FAKE_RUN(&run, "--json", "run", "--measure", "sh", "-c", "sleep 0.3");
	assert_int_equal(run.status, 0);
	assert_ptr_equal(strstr(run.out, "{\"schema\": \"divvy/measure/1\", \"lease\": \"x\""),
			 run.out);
	assert_non_null(strstr(run.out, "\"got_pct\": 24.5, \"memory_peak_mib\": 512"));
	assert_string_equal(run.err, "");
	fake_run_fini(&run);
	/* Too short for a look: nothing is made up. */
	FAKE_RUN(&run, "--json", "run", "--measure", "true");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "\"samples\": "));
	fake_run_fini(&run);
}

/* What the command leaves is waited for; its own status counts. */
static void test_orphans(void **state)
{
	char dir[48], path[64], script[256];
	dv_autofree char *text = NULL;
	struct fake_run run;

	assert_int_equal(temporary_make(dir, sizeof(dir), "run"), 0);
	(void)snprintf(path, sizeof(path), "%s/said", dir);
	(void)snprintf(script, sizeof(script), "(sleep 0.3; echo done >%s; exit 9) & exit 5", path);
	FAKE_RUN(&run, "run", "sh", "-c", script);
	assert_int_equal(run.status, 5);
	assert_int_equal(dv_file_read(path, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "done\n");
	fake_run_fini(&run);
	assert_int_equal(temporary_remove(dir), 0);
}

/* Send `signo` to this process (the launcher) once the command says that it is ready. */
static pid_t signal_later(const char *path, int signo)
{
	pid_t launcher = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	for (int i = 0; i < 3000 && access(path, F_OK) < 0; i++)
		(void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	(void)kill(launcher, signo);
	_exit(0);
}

static void test_signals_are_handed_on(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGWINCH};
	char path[64], script[256];

	for (size_t i = 0; i < DV_ARRAY_LEN(signals); i++) {
		struct fake_run run;
		pid_t pid;

		(void)snprintf(path, sizeof(path), "%s/divvy-run.%d.%zu", temporary_top(),
			       (int)getpid(), i);
		(void)unlink(path);
		/* What is ignored, as nohup has it, a shell cannot catch. */
		(void)signal(signals[i], SIG_DFL);
		(void)snprintf(script, sizeof(script),
			       "trap 'exit 33' %d; : >%s; for i in $(seq 600); do sleep 0.05; done",
			       signals[i], path);
		pid = signal_later(path, signals[i]);
		FAKE_RUN(&run, "run", "sh", "-c", script);
		assert_int_equal(run.status, 33);
		fake_run_fini(&run);
		(void)waitpid(pid, NULL, 0);
		(void)unlink(path);
	}
}

/* What a shell left in the background ignores SIGINT, and ends all the same. */
static void test_orphans_end_when_told(void **state)
{
	char path[64], script[256];
	struct fake_run run;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/divvy-run.%d.left", temporary_top(), (int)getpid());
	(void)unlink(path);
	(void)snprintf(script, sizeof(script),
		       "(trap '' INT TERM; until [ ! -d /proc/$$ ]; do sleep 0.02; done; : >%s; "
		       "sleep 600) & exit 6",
		       path);
	pid = signal_later(path, SIGINT);
	FAKE_RUN(&run, "run", "sh", "-c", script);
	assert_int_equal(run.status, 6);
	fake_run_fini(&run);
	(void)waitpid(pid, NULL, 0);
	(void)unlink(path);
}

/* A lease of a gated device: the probe is seen by divvyd, if it says so. */
static bool report_probes;
/* Is the command that goes round the gate told to end by itself? */
static bool end_command;

static pid_t first_child(void)
{
	FILE *children = fopen("/proc/thread-self/children", "re");
	int pid = 0;

	assert_non_null(children);
	if (fscanf(children, "%d", &pid) != 1)
		pid = 0;
	(void)fclose(children);
	return pid;
}

static char *serve_gated(const char *verb, const char *path)
{
	if (end_command && strcmp(path, "/v1/leases/x/unenforced") == 0 && first_child())
		(void)kill(first_child(), SIGUSR1);
	if (strcmp(path, "/v1/leases/x") == 0 && strcmp(verb, "GET") == 0) {
		lease_now.pids[0] = first_child();
		lease_now.pid_count = lease_now.pids[0] && report_probes;
		return fake_lease_text(&lease_now);
	}
	return serve(verb, path);
}

static bool has_opencl(void)
{
	int (*get_platforms)(unsigned, void *, unsigned *) = NULL;
	void *loader = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
	unsigned count = 0;
	int status;
	pid_t pid;

	if (!loader)
		return false;
	(void)dlclose(loader);
	/* A driver leaves threads behind: not in this process. */
	pid = fork();
	if (pid == 0) {
		loader = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
		*(void **)&get_platforms = dlsym(loader, "clGetPlatformIDs");
		(void)get_platforms(0, NULL, &count);
		_exit(count > 0);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void test_layer_must_report(void **state)
{
	struct fake_run run;

	if (!has_opencl())
		skip();
	grant.gated = true;
	fake_divvyd_serve(serve_gated);
	report_probes = false;
	REFUSED(3, "rule: G03", "sh", "-c", "exit 7");
	assert_true(was_asked("DELETE /v1/leases/x?id=7&leave=1\n"));
	report_probes = true;
	FAKE_RUN(&run, "run", "sh", "-c", "exit 7");
	assert_int_equal(run.status, 7);
	assert_string_equal(run.err, "");
	fake_run_fini(&run);
}

/* A command that maps a file called like a driver, and no layer. */
static void test_round_the_gate(void **state)
{
	struct fake_run run;

	grant.gated = true;
	report_probes = true;
	fake_divvyd_serve(serve_gated);
	REFUSED(3, "rule: G04", self, "map-driver");
	assert_true(was_asked("POST /v1/leases/x/unenforced {"));
	assert_true(was_asked("DELETE /v1/leases/x?id=7&leave=1\n"));
	end_command = true;
	FAKE_RUN(&run, "run", "--unenforced", "warn", self, "map-driver");
	assert_int_equal(run.status, 44);
	assert_non_null(strstr(run.err, "divvy: warning: process "));
	fake_run_fini(&run);
}

/* The command. */
static int be_one_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1)
		return 1;
	return sched_setaffinity(0, sizeof(set), &set) == -1 && errno == EPERM ? 0 : 2;
}

/* Are these open, and no others? */
static int be_a_counter(const char *given)
{
	char found[512];

	list_fds(true, found, sizeof(found));
	return strcmp(found, given) == 0 ? 0 : 1;
}

static int be_a_drivers_user(void)
{
	int signo;
	sigset_t set;
	char path[64], file[96];
	void *map;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || temporary_make(path, sizeof(path), "run") < 0)
		return 1;
	(void)snprintf(file, sizeof(file), "%s/libpocl.so.2.10.0", path);
	fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return 1;
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	(void)unlink(file);
	(void)rmdir(path);
	if (map == MAP_FAILED)
		return 1;
	return sigwait(&set, &signo) == 0 ? 44 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_status_is_passed_on, set_up),
		cmocka_unit_test_setup(test_request, set_up),
		cmocka_unit_test_setup(test_bad_options, set_up),
		cmocka_unit_test_setup(test_options_that_contradict, set_up),
		cmocka_unit_test_setup(test_not_to_be_run, set_up),
		cmocka_unit_test_setup(test_environment, set_up),
		cmocka_unit_test_setup(test_cpus, set_up),
		cmocka_unit_test_setup(test_cgroup_is_entered_before_the_command, set_up),
		cmocka_unit_test_setup(test_descriptors, set_up),
		cmocka_unit_test_setup(test_lease_that_is_there, set_up),
		cmocka_unit_test_setup(test_lease_of_another_command, set_up),
		cmocka_unit_test_setup(test_lease_in_use_is_kept, set_up),
		cmocka_unit_test_setup(test_measure, set_up),
		cmocka_unit_test_setup(test_orphans, set_up),
		cmocka_unit_test_setup(test_signals_are_handed_on, set_up),
		cmocka_unit_test_setup(test_orphans_end_when_told, set_up),
		cmocka_unit_test_setup(test_layer_must_report, set_up),
		cmocka_unit_test_setup(test_round_the_gate, set_up),
	};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (argc > 1 && strcmp(argv[1], "one-cpu") == 0)
		return be_one_cpu();
	if (argc > 1 && strcmp(argv[1], "map-driver") == 0)
		return be_a_drivers_user();
	if (argc > 2 && strcmp(argv[1], "fds") == 0)
		return be_a_counter(argv[2]);
	if (n <= 0)
		return 1;
	return cmocka_run_group_tests_name("cli/run", tests, NULL, NULL);
}
