// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_xen_version (xen/version.h, xen/features.h): who we are and what a guest may count on.
 *
 * The version is the one whose ABI we speak; the extra version says who speaks.  Only the command line and
 * the build id are kept from unprivileged guests.
 */
#include "boot_info.h"
#include "domain/preempt.h"
#include "door/handlers.h"
#include "errno.h"
#include "guest/hvm.h"
#include "lib/string.h"
#include "mm/guest_form.h"

#define VERSION_MAJOR 4
#define VERSION_MINOR 17
#define VERSION_EXTRA ".7-xylem"

#ifndef XYLEM_CHANGESET
#define XYLEM_CHANGESET ""
#endif
#ifndef XYLEM_BUILD_DATE
#define XYLEM_BUILD_DATE __DATE__ " " __TIME__
#endif

#define XEN_FEATURE(name) (1u << XENFEAT_##name)

static long version_compile_info(guest_addr_t arg)
{
    struct xen_compile_info info = {.compile_by = "root", .compile_domain = "xylem"};

    strlcpy(info.compiler, "gcc " __VERSION__, sizeof(info.compiler));
    strlcpy(info.compile_date, XYLEM_BUILD_DATE, sizeof(info.compile_date));
    return guest_write(arg, &info, sizeof(info));
}

static long version_capabilities(guest_addr_t arg)
{
    xen_capabilities_info_t capabilities = "xen-3.0-x86_64 ";

    if (hvm_available())
        strlcpy(capabilities, "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ", sizeof(capabilities));
    return guest_write(arg, capabilities, sizeof(capabilities));
}

static uint32_t version_features(const struct domain *d)
{
    uint32_t features = XEN_FEATURE(memory_op_vnode_supported);

    if (d->is_privileged)
        features |= XEN_FEATURE(dom0);
    if (d->is_hvm)
        return features | XEN_FEATURE(writable_page_tables) | XEN_FEATURE(auto_translated_physmap) |
               XEN_FEATURE(hvm_callback_vector) | XEN_FEATURE(hvm_safe_pvclock) |
               XEN_FEATURE(not_direct_mapped);
    if (d->vm_assist & 1u << VMASST_TYPE_pae_extended_cr3)
        features |= XEN_FEATURE(pae_pgdir_above_4gb);
    return features | XEN_FEATURE(mmu_pt_update_preserve_ad) | XEN_FEATURE(highmem_assist) |
           XEN_FEATURE(gnttab_map_avail_bits) | XEN_FEATURE(direct_mapped);
}

static long version_get_features(guest_addr_t arg)
{
    struct xen_feature_info info;

    if (guest_read(&info, arg, sizeof(info)))
        return -EFAULT;
    info.submap = version_features(current->domain);
    return info.submap_idx >= XENFEAT_NR_SUBMAPS ? -EINVAL : guest_write(arg, &info, sizeof(info));
}

static long version_commandline(guest_addr_t arg)
{
    xen_commandline_t text = {0};

    strlcpy(text, permission_privileged() ? "<denied>" : boot_info.cmdline, sizeof(text));
    return guest_write(arg, text, sizeof(text));
}

/* The linker's note: name size, size of what follows the name, type, "GNU", then the id (ELF notes, gABI chapter 5). */
#define BUILD_ID_HEADER 16
extern const char build_id_start[], build_id_end[];

/* Length of the build id; without a buffer that is all the caller wants. */
static long version_build_id(guest_addr_t arg)
{
    size_t size = (size_t)(build_id_end - build_id_start);
    xen_build_id_t id;

    if (permission_privileged())
        return -EPERM;
    if (size <= BUILD_ID_HEADER)
        return -ENODATA;
    size -= BUILD_ID_HEADER;
    if (guest_addr_null(arg))
        return (long)size;
    if (guest_read(&id, arg, sizeof(id)))
        return -EFAULT;
    if (id.len == 0)
        return -EINVAL;
    if (id.len < size)
        return -ENOBUFS;
    if (guest_write(GUEST_ADDR(arg.value + offsetof(xen_build_id_t, buf)), build_id_start + BUILD_ID_HEADER, size))
        return -EFAULT;
    return (long)size;
}

long xen_version(uint64_t command, uint64_t arg_value, uint64_t, uint64_t, uint64_t)
{
    static const xen_extraversion_t extra = VERSION_EXTRA;
    static const xen_changeset_info_t changeset = XYLEM_CHANGESET;
    static const xen_platform_parameters_t parameters = {.virt_start = HYPERVISOR_RANGE_START};
    const guest_addr_t arg = GUEST_ADDR(arg_value);

    switch ((uint32_t)command) {
    case XENVER_version:
        return VERSION_MAJOR << 16 | VERSION_MINOR;
    case XENVER_extraversion:
        return guest_write(arg, extra, sizeof(extra));
    case XENVER_compile_info:
        return version_compile_info(arg);
    case XENVER_capabilities:
        return version_capabilities(arg);
    case XENVER_changeset:
        return guest_write(arg, changeset, sizeof(changeset));
    case XENVER_platform_parameters:
        return guest_write_form(arg, &parameters, sizeof(parameters), FORM_PLATFORM);
    case XENVER_get_features:
        return version_get_features(arg);
    case XENVER_pagesize:
        return guest_addr_null(arg) ? (long)PAGE_SIZE : -EINVAL;
    case XENVER_guest_handle:
        return guest_write(arg, current->domain->handle, sizeof(current->domain->handle));
    case XENVER_commandline:
        return version_commandline(arg);
    case XENVER_build_id:
        return version_build_id(arg);
    default:
        return -ENOSYS;
    }
}
