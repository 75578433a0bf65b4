# SPDX-License-Identifier: Apache-2.0
# The commands of the README, and nothing clever: meson.build is the build.

.PHONY: all demo check check-quick bench fuzz format tidy install clean

# Without the tests, which need more packages and take longer to build than divvy.
release = [ -f build-release/build.ninja ] || meson setup build-release --wrap-mode=nodownload \
	--buildtype=release -Dtests=false

all:
	tools/deps.sh build run
	[ -f build/build.ninja ] || meson setup build --wrap-mode=nodownload -Dtests=false
	ninja -C build

# The main job, on any machine: show, plan, apply, run, disturb, measure.
demo:
	tools/deps.sh build run
	$(release)
	ninja -C build-release
	tools/demo.sh build-release

# All tests: lint, unit, golden, torture, end to end, with sanitizers, with gcc and clang, as a release,
# and clang-tidy.
check:
	tools/deps.sh build run test
	python3 tools/check.py

# The plain build only, a minute or so.
check-quick:
	tools/deps.sh build run test
	python3 tools/check.py build

# divvy's own figures against their goals (sharing itself: divvy bench). Wants a quiet machine.
bench:
	tools/deps.sh build run test
	$(release)
	meson configure build-release -Dtests=true
	ninja -C build-release
	python3 tests/bench/bench-figures.py build-release

# Five minutes on each fuzzer; the corpora are replayed by `make check`.
fuzz:
	tools/deps.sh build run test
	tools/fuzz.sh 300

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

tidy:
	tools/deps.sh build test
	python3 tools/check.py tidy

install:
	tools/deps.sh build run
	$(release)
	meson install -C build-release
	# For other programs that use libdivvy; divvy finds it without.
	[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

clean:
	rm -rf build build-*
