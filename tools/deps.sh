#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what a group of tools/deps.txt needs and is not there yet: tools/deps.sh build run test
set -eu
list=$(dirname "$0")/deps.txt
missing=
for group in "$@"; do
	for package in $(sed -n "s/^$group: //p" "$list"); do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
			missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "Ask an administrator to install:$missing" >&2; exit 1; }
	sudo=sudo
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
