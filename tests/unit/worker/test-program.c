/* SPDX-License-Identifier: Apache-2.0 */
/* The worker as a program: requests good, short, long and senseless. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/str.h"
#include "worker/message.h"

/* What came back, and how the program ended. */
struct run {
	struct dv_worker_answer answer;
	ssize_t len;
	struct dv_gpu gpus[DV_WORKER_GPUS_MOST];
	struct dv_holder holders[DV_WORKER_HOLDERS_MOST];
	int status;
};

static union {
	char bytes[DV_WORKER_ANSWER_MOST + DV_WORKER_MESSAGE_MOST];
	struct dv_worker_answer answer;
} buffer;

static _Noreturn void child(int fd, bool quiet)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char *const none[] = {NULL}, *const argv[] = {"divvy-worker", NULL};

	if (quiet)
		(void)dup2(null, STDERR_FILENO);
	if (fd == DV_WORKER_FD)
		(void)fcntl(fd, F_SETFD, 0);
	else
		(void)dup2(fd, DV_WORKER_FD);
	execve(WORKER, argv, none);
	_exit(127);
}

static pid_t start(int *ret_fd, bool quiet)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	if (pid == 0)
		child(ends[1], quiet);
	assert_true(pid > 0);
	close(ends[1]);
	*ret_fd = ends[0];
	return pid;
}

/* All messages up to the hang-up, one behind the other. */
static ssize_t recv_all(int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, buffer.bytes + len, DV_WORKER_MESSAGE_MOST, 0)) > 0) {
		len += (size_t)n;
		assert_true(len <= DV_WORKER_ANSWER_MOST);
	}
	return n < 0 ? n : (ssize_t)len;
}

/* Send `len` bytes and take what comes. */
static void talk(const void *request, size_t len, struct run *ret)
{
	const char *items = buffer.bytes + sizeof(buffer.answer);
	int fd, room = 1 << 20;
	pid_t pid = start(&fd, false);

	memset(ret, 0, sizeof(*ret));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	assert_int_equal(send(fd, request, len, MSG_NOSIGNAL), len);
	ret->len = recv_all(fd);
	close(fd);
	assert_int_equal(waitpid(pid, &ret->status, 0), pid);
	assert_true(ret->len >= (ssize_t)sizeof(ret->answer));
	ret->answer = buffer.answer;
	assert_int_equal(ret->answer.build, dv_worker_build());
	assert_true(ret->answer.gpu_count <= DV_WORKER_GPUS_MOST);
	assert_true(ret->answer.holder_count <= DV_WORKER_HOLDERS_MOST);
	assert_int_equal(ret->len, sizeof(ret->answer) +
					   ret->answer.gpu_count * sizeof(*ret->gpus) +
					   ret->answer.holder_count * sizeof(*ret->holders));
	memcpy(ret->gpus, items, ret->answer.gpu_count * sizeof(*ret->gpus));
	items += ret->answer.gpu_count * sizeof(*ret->gpus);
	memcpy(ret->holders, items, ret->answer.holder_count * sizeof(*ret->holders));
}

static struct dv_worker_request *request_of(enum dv_worker_what what)
{
	static struct dv_worker_request request;

	memset(&request, 0, sizeof(request));
	request.build = dv_worker_build();
	(void)snprintf(request.root, sizeof(request.root), "/");
	(void)snprintf(request.nvml, sizeof(request.nvml), "libnvidia-ml.so.1");
	request.what = what;
	return &request;
}

static void ask(const struct dv_worker_request *request, struct run *ret)
{
	talk(request, sizeof(*request), ret);
	assert_true(WIFEXITED(ret->status));
	assert_int_equal(WEXITSTATUS(ret->status), 0);
}

static void test_probe(void **state)
{
	struct dv_worker_request *request = request_of(DV_WORKER_PROBE);
	const struct dv_gpu_method *slice;
	const struct dv_gpu *cpu;
	static struct run run;

	request->cpu.enabled = true;
	ask(request, &run);
	assert_int_equal(run.answer.r, 0);
	assert_true(run.answer.gpu_count >= 1);
	cpu = &run.gpus[run.answer.gpu_count - 1];
	assert_int_equal(cpu->kind, DV_GPU_CPU);
	assert_string_equal(cpu->model, "cpu-opencl");
	assert_memory_equal(cpu->uuid, "CPU-", 4);
	assert_int_equal(strlen(cpu->uuid), 40);
	assert_true(cpu->memory_bytes > 0 && cpu->compute_units > 0);
	assert_int_equal(cpu->compute_units, cpu->cpu_count);
	slice = dv_gpu_method(cpu, DV_METHOD_SLICE);
	assert_non_null(slice);
	/* Either the device can be shared, or it says why not, by rule. */
	if (slice->ok)
		assert_true(cpu->driver[0]);
	else
		assert_string_equal(slice->rules[0], "G05");
	assert_true(slice->ok || slice->why[0]);
}

static void test_probe_same_twice(void **state)
{
	struct dv_worker_request *request = request_of(DV_WORKER_PROBE);
	static struct run first, second;

	request->cpu.enabled = true;
	ask(request, &first);
	ask(request, &second);
	assert_int_equal(first.answer.gpu_count, second.answer.gpu_count);
	for (unsigned i = 0; i < first.answer.gpu_count; i++) {
		assert_string_equal(first.gpus[i].uuid, second.gpus[i].uuid);
		assert_string_equal(first.gpus[i].id, second.gpus[i].id);
	}
}

static void test_probe_without_cpu(void **state)
{
	static struct run run;

	ask(request_of(DV_WORKER_PROBE), &run);
	assert_int_equal(run.answer.r, 0);
	for (unsigned i = 0; i < run.answer.gpu_count; i++)
		assert_int_not_equal(run.gpus[i].kind, DV_GPU_CPU);
}

static void test_slice_step(void **state)
{
	struct dv_worker_request *request = request_of(DV_WORKER_COMMIT);
	static struct run run;

	request->gpu.kind = DV_GPU_CPU;
	request->step.lease.method = DV_METHOD_SLICE;
	(void)dv_copy(request->step.op, sizeof(request->step.op), "slice.create");
	ask(request, &run);
	assert_int_equal(run.answer.r, 0);
	request->what = DV_WORKER_UNDO;
	ask(request, &run);
	assert_int_equal(run.answer.r, 0);
	request->step.lease.method = DV_METHOD_VGPU;
	ask(request, &run);
	assert_int_equal(run.answer.r, -EOPNOTSUPP);
	assert_non_null(strstr(run.answer.err.msg, "slice.create"));
}

static void test_holders(void **state)
{
	struct dv_worker_request *request = request_of(DV_WORKER_HOLDERS);
	static struct run run;

	request->gpu.kind = DV_GPU_CPU;
	ask(request, &run);
	assert_int_equal(run.answer.r, 0);
	for (unsigned i = 0; i < run.answer.holder_count; i++) {
		assert_true(run.holders[i].pid > 0);
		assert_string_equal(run.holders[i].what, "uses the OpenCL device");
	}
}

static void test_enter_without_cgroup(void **state)
{
	struct dv_worker_request *request = request_of(DV_WORKER_ENTER);
	static struct run run;

	request->pid = getpid();
	(void)dv_copy(request->step.lease.node, sizeof(request->step.lease.node), "CPU-1/p0+1");
	ask(request, &run);
	assert_int_equal(run.answer.r, -EOPNOTSUPP);
}

/* The CPU device as probed, but cut as if it had all the CPUs that a record can hold, each of them
 * the last real one: so the test's partition has a name that no divvyd of this machine uses. */
static bool find_device(struct dv_gpu *ret, unsigned start)
{
	struct dv_worker_request *request = request_of(DV_WORKER_PROBE);
	static struct run run;

	request->cpu.enabled = true;
	ask(request, &run);
	assert_int_equal(run.answer.r, 0);
	*ret = run.gpus[run.answer.gpu_count - 1];
	ret->cpus[start] = ret->cpus[ret->cpu_count - 1];
	ret->cpu_count = DV_CPUS_MOST;
	return ret->cgroup[0] != '\0';
}

static int ask_for(enum dv_worker_what what, const struct dv_gpu *gpu, unsigned start, pid_t pid)
{
	struct dv_worker_request *request = request_of(what);
	static struct run run;

	request->gpu = *gpu;
	request->pid = pid;
	request->step.lease.method = DV_METHOD_PARTITION;
	request->step.lease.uid = getuid();
	(void)dv_copy(request->step.op, sizeof(request->step.op), "partition.create");
	(void)snprintf(request->step.lease.node, DV_NODE_SIZE, "%s/p%u+1", gpu->uuid, start);
	ask(request, &run);
	if (run.answer.r < 0)
		print_message("%s\n", run.answer.err.msg);
	return run.answer.r;
}

/* With what the worker kept of root's privileges, on the real cgroups. */
static void test_partition_on_this_machine(void **state)
{
	unsigned start = 64 + (unsigned)getpid() % (DV_CPUS_MOST - 64);
	int hold[2], r;
	struct dv_gpu gpu;
	pid_t pid;

	if (!find_device(&gpu, start)) {
		print_message("no cpuset cgroups for this user here\n");
		skip();
	}
	r = ask_for(DV_WORKER_COMMIT, &gpu, start, 0);
	if (r == -EPERM)
		skip(); /* a container's root may not */
	assert_int_equal(r, 0);
	assert_int_equal(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		close(hold[1]);
		_exit((int)read(hold[0], &byte, 1));
	}
	close(hold[0]);
	assert_int_equal(ask_for(DV_WORKER_ENTER, &gpu, start, pid), 0);
	assert_int_equal(ask_for(DV_WORKER_UNDO, &gpu, start, 0), -EBUSY);
	close(hold[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(ask_for(DV_WORKER_UNDO, &gpu, start, 0), 0);
}

static void test_other_build(void **state)
{
	struct dv_worker_request *request = request_of(DV_WORKER_PROBE);
	static struct run run;

	request->build++;
	ask(request, &run);
	assert_int_equal(run.answer.r, -EPROTO);
	assert_non_null(strstr(run.answer.err.msg, "different builds"));
}

static void test_wrong_sizes(void **state)
{
	static const size_t sizes[] = {1, 8, sizeof(struct dv_worker_request) - 1,
				       sizeof(struct dv_worker_request) + 1,
				       DV_WORKER_MESSAGE_MOST};
	static char bytes[DV_WORKER_MESSAGE_MOST];
	static struct run run;

	memcpy(bytes, request_of(DV_WORKER_PROBE), sizeof(struct dv_worker_request));
	for (size_t i = 0; i < DV_ARRAY_LEN(sizes); i++) {
		talk(bytes, sizes[i], &run);
		assert_int_equal(run.answer.r, -EPROTO);
		assert_int_equal(run.answer.gpu_count, 0);
		assert_true(WIFEXITED(run.status));
	}
}

static void test_garbage(void **state)
{
	const char *text = getenv("DV_TEST_SEED");
	unsigned seed = text ? (unsigned)strtoul(text, NULL, 0) : (unsigned)getpid();
	struct dv_worker_request *request = request_of(DV_WORKER_COMMIT);
	unsigned char *bytes = (unsigned char *)request;
	static struct run run;

	print_message("DV_TEST_SEED=%u\n", seed);
	srandom(seed);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(*request); i++)
			bytes[i] = (unsigned char)random();
		request->build = round % 2 ? dv_worker_build() : request->build;
		if (round % 4 == 3)
			request->what = DV_WORKER_COMMIT;
		ask(request, &run);
		assert_true(run.answer.r < 0);
		assert_true(run.answer.err.msg[0]);
	}
}

static void test_hung_up(void **state)
{
	int fd, status;
	pid_t pid = start(&fd, true);

	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void test_no_socket(void **state)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), status;
	pid_t pid = fork();

	if (pid == 0)
		child(null, true);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(null);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void test_arguments(void **state)
{
	int status, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (pid == 0) {
		(void)dup2(null, STDERR_FILENO);
		execl(WORKER, "divvy-worker", "--help", NULL);
		_exit(127);
	}
	close(null);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_probe_same_twice),
		cmocka_unit_test(test_probe_without_cpu),
		cmocka_unit_test(test_slice_step),
		cmocka_unit_test(test_holders),
		cmocka_unit_test(test_enter_without_cgroup),
		cmocka_unit_test(test_partition_on_this_machine),
		cmocka_unit_test(test_other_build),
		cmocka_unit_test(test_wrong_sizes),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_hung_up),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests_name("worker/program", tests, NULL, NULL);
}
