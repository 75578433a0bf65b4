#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each header compiles alone; the public ones as C99 and as C++ too.
set -eu
cd "$(dirname "$0")/../.."
cc=${CC:-cc}
bad=0
for h in $(git ls-files --cached --others --exclude-standard -- 'src/*.h'); do
	[ -e "$h" ] || continue
	echo "#include \"${h#src/}\"" | $cc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -Isrc -Iinclude \
		-I"$1" -fsyntax-only -x c - || { echo "$h does not compile alone"; bad=1; }
done
for h in include/divvy/*.h; do
	$cc -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -x c "$h" || { echo "$h is not C99"; bad=1; }
	if command -v c++ >/dev/null; then
		c++ -std=c++11 -Wall -Wextra -Werror -Wno-pragma-once-outside-header -fsyntax-only -x c++ "$h" ||
			{ echo "$h is not clean in C++"; bad=1; }
	fi
done
exit $bad
