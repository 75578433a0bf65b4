/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/place.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../temporary.h"
#include "wire.h"

struct fixture {
	char top[32], run[64], state[64];
	struct dv_daemon_options options;
	struct dv_config config;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	if (temporary_make(f->top, sizeof(f->top), "plc") < 0)
		return -1;
	(void)snprintf(f->run, sizeof(f->run), "%s/run", f->top);
	(void)snprintf(f->state, sizeof(f->state), "%s/state", f->top);
	f->options.run_dir = f->run;
	f->options.state_dir = f->state;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r = temporary_remove(f->top);

	free(f);
	return r;
}

static void test_only_one(void **state)
{
	struct fixture *f = *state;
	struct dv_place a, b;

	assert_int_equal(dv_place_open(&f->options, &a, NULL), 0);
	assert_int_equal(dv_place_open(&f->options, &b, NULL), 1);
	dv_place_fini(&a);
	assert_int_equal(dv_place_open(&f->options, &b, NULL), 0);
	dv_place_fini(&b);
}

static void test_modes(void **state)
{
	struct fixture *f = *state;
	struct dv_place place;
	struct stat st;
	int fd;

	assert_int_equal(dv_place_open(&f->options, &place, NULL), 0);
	assert_int_equal(stat(place.run_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? 0711 : 0700);
	assert_int_equal(stat(place.worker_cache, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	fd = dv_place_listen(&place, &f->config, NULL);
	assert_true(fd >= 0);
	assert_int_equal(stat(place.socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	close(fd);
	f->config.others_read = true;
	fd = dv_place_listen(&place, &f->config, NULL);
	assert_int_equal(stat(place.socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? 0666 : 0600);
	close(fd);
	f->config.others_read = false;
	f->config.has_gid = true;
	f->config.gid = getegid();
	fd = dv_place_listen(&place, &f->config, NULL);
	assert_int_equal(stat(place.socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? 0660 : 0600);
	close(fd);
	dv_place_fini(&place);
	assert_int_equal(lstat(place.socket, &st), -1);
}

static void test_untrusted(void **state)
{
	struct fixture *f = *state;
	struct dv_place place;
	struct dv_error err = {0};

	assert_int_equal(mkdir(f->run, 0700), 0);
	assert_int_equal(chmod(f->run, 0777), 0);
	assert_int_equal(dv_place_open(&f->options, &place, &err), -EPERM);
	assert_string_equal(err.rule, "S03");
	assert_int_equal(rmdir(f->run), 0);
	assert_int_equal(symlink("/tmp", f->run), 0);
	dv_error_clear(&err);
	assert_int_equal(dv_place_open(&f->options, &place, &err), -EPERM);
	assert_string_equal(err.rule, "S03");
}

static void test_retire(void **state)
{
	struct fixture *f = *state;
	struct dv_place place;
	int fd, client, served;

	assert_int_equal(dv_place_open(&f->options, &place, NULL), 0);
	fd = dv_place_listen(&place, &f->config, NULL);
	/* Somebody came in: it stays. */
	client = wire_connect(place.socket);
	assert_true(client >= 0);
	assert_false(dv_place_retire(&place, fd));
	served = accept(fd, NULL, NULL);
	assert_true(served >= 0);
	close(served);
	close(client);
	assert_int_equal(access(place.socket, F_OK), 0);
	/* Nobody: the name is gone. */
	assert_true(dv_place_retire(&place, fd));
	assert_int_equal(wire_connect(place.socket), -1);
	close(fd);
	dv_place_fini(&place);
}

static void test_cache(void **state)
{
	struct fixture *f = *state;
	struct dv_place place;
	char dir[256];
	struct stat st;

	assert_int_equal(dv_place_open(&f->options, &place, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			dv_place_cache(&place, geteuid(), getegid(), dir, sizeof(dir), NULL), 0);
		assert_int_equal(stat(dir, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
		assert_int_equal(st.st_uid, geteuid());
	}
	if (geteuid() == 0) {
		assert_int_equal(dv_place_cache(&place, 65534, 65534, dir, sizeof(dir), NULL), 0);
		assert_int_equal(stat(dir, &st), 0);
		assert_int_equal(st.st_uid, 65534);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	dv_place_fini(&place);
}

static void test_long_names(void **state)
{
	struct fixture *f = *state;
	struct dv_place place;
	char dir[200];

	memset(dir, 'a', sizeof(dir) - 1);
	dir[0] = '/';
	dir[sizeof(dir) - 1] = '\0';
	f->options.run_dir = dir;
	assert_int_equal(dv_place_open(&f->options, &place, NULL), -E2BIG);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_only_one), T(test_modes), T(test_untrusted),
		T(test_retire),	  T(test_cache), T(test_long_names),
	};

	return cmocka_run_group_tests_name("daemon/place", tests, NULL, NULL);
}
