// SPDX-License-Identifier: BSD-2-Clause
/* Looking for hardware assistance at boot, and switching it on and off on each CPU. */
#include "guest/hvm/internal.h"

const struct hvm_vendor *hvm_vendor;

bool hvm_available(void) { return hvm_vendor != NULL; }

void hvm_init(void)
{
    const char *missing = svm_vendor.missing();

    if (missing) {
        log_warning("PVH guests: not on this machine: %s\n", missing);
        return;
    }
    if (svm_vendor.init()) {
        log_warning("PVH guests: no memory for %s\n", svm_vendor.name);
        return;
    }
    hvm_vendor = &svm_vendor;
}

int hvm_cpu_init(void) { return hvm_vendor ? hvm_vendor->cpu_init() : 0; }
