/* SPDX-License-Identifier: Apache-2.0 */
#include "device/capability.h"

#include <stdio.h>
#include <string.h>

#define CAPABILITIES "proc/driver/nvidia/capabilities"

static int is_node(const char *name, void *arg, struct dv_error *err)
{
	struct dv_capability *capability = arg;
	const char *base = strrchr(capability->node, '/') + 1;

	capability->node_is_there |= strcmp(name, base) == 0;
	return 0;
}

/* capability->path is set, relative to the root. */
static int read_file(const struct dv_root *root, struct dv_capability *capability,
		     struct dv_error *err)
{
	char text[256], path[sizeof(capability->path)];
	const char *line;
	int r = dv_root_read(root, capability->path, text, sizeof(text), err);

	if (r < 0)
		return r;
	line = strstr(text, "DeviceFileMinor:");
	if (!line || sscanf(line, "DeviceFileMinor: %u", &capability->minor) != 1)
		return dv_error_set(err, -EPROTO, "/%s names no minor number", capability->path);
	(void)snprintf(capability->node, sizeof(capability->node), "/dev/nvidia-caps/nvidia-cap%u",
		       capability->minor);
	/* That there are no nodes at all is an answer. */
	if (dv_root_list(root, "dev/nvidia-caps", is_node, capability, NULL) < 0)
		capability->node_is_there = false;
	(void)snprintf(path, sizeof(path), "/%.94s", capability->path);
	memcpy(capability->path, path, sizeof(path));
	return 0;
}

int dv_capability_find(const struct dv_root *root, unsigned gpu, unsigned instance, int part,
		       struct dv_capability *ret, struct dv_error *err)
{
	struct dv_capability capability = {0};
	int r;

	if (part < 0)
		(void)snprintf(capability.path, sizeof(capability.path),
			       CAPABILITIES "/gpu%u/mig/gi%u/access", gpu, instance);
	else
		(void)snprintf(capability.path, sizeof(capability.path),
			       CAPABILITIES "/gpu%u/mig/gi%u/ci%d/access", gpu, instance, part);
	r = read_file(root, &capability, err);
	if (r == 0)
		*ret = capability;
	return r;
}

int dv_capability_find_mig(const struct dv_root *root, const char *name, struct dv_capability *ret,
			   struct dv_error *err)
{
	struct dv_capability capability = {0};
	int r;

	(void)snprintf(capability.path, sizeof(capability.path), CAPABILITIES "/mig/%.32s", name);
	r = read_file(root, &capability, err);
	if (r == 0)
		*ret = capability;
	return r;
}
