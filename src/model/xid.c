/* SPDX-License-Identifier: Apache-2.0 */
#include "model/xid.h"

#include <stddef.h>

#include "base/macro.h"

static const struct {
	uint32_t xid;
	enum dv_xid_class class;
	const char *text;
} all[] = {
	{13, DV_XID_APPLICATION, "graphics engine exception"},
	{31, DV_XID_APPLICATION, "GPU memory page fault"},
	{43, DV_XID_APPLICATION, "GPU stopped processing"},
	{45, DV_XID_APPLICATION, "preemptive clean-up, due to earlier errors"},
	{46, DV_XID_GPU, "GPU stopped processing"},
	{48, DV_XID_MEMORY, "double bit ECC error"},
	{63, DV_XID_MEMORY, "a row or page is remapped with the next reset"},
	{64, DV_XID_MEMORY, "a row or page could not be remapped"},
	{68, DV_XID_APPLICATION, "video processor exception"},
	{74, DV_XID_GPU, "NVLink error"},
	{79, DV_XID_GPU, "GPU has fallen off the bus"},
	{92, DV_XID_MEMORY, "high rate of single bit ECC errors"},
	{94, DV_XID_MEMORY, "contained memory error"},
	{95, DV_XID_MEMORY, "uncontained memory error"},
	{109, DV_XID_APPLICATION, "context switch timed out"},
	{119, DV_XID_GPU, "GSP firmware does not answer"},
	{120, DV_XID_GPU, "GSP firmware error"},
};

const char *dv_xid_class_name(enum dv_xid_class class)
{
	static const char *const names[DV_XID_CLASS_COUNT] = {
		[DV_XID_UNKNOWN] = "unknown",
		[DV_XID_APPLICATION] = "application",
		[DV_XID_MEMORY] = "memory",
		[DV_XID_GPU] = "gpu",
	};

	return (unsigned)class < DV_XID_CLASS_COUNT ? names[class] : "unknown";
}

enum dv_xid_class dv_xid_class(uint32_t xid)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(all); i++)
		if (all[i].xid == xid)
			return all[i].class;
	return DV_XID_UNKNOWN;
}

const char *dv_xid_text(uint32_t xid)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(all); i++)
		if (all[i].xid == xid)
			return all[i].text;
	return "";
}
