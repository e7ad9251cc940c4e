// SPDX-License-Identifier: BSD-2-Clause
/* The hypervisor's command line: an option of each kind, any text. */
#include "tests/fuzz/fuzz.h"

#include "errno.h"
#include "lib/base.h"
#include "log.h"
#include "options.h"

static bool boolean;
static unsigned number;
static uint64_t size_value;
static char text[16];

static int call(const char *value)
{
    return strlen(value) % 2 ? -EINVAL : 0;
}

extern const struct option options_start[];
const struct option options_start[] = {
    {"boolean", OPTION_BOOL, &boolean, 0},
    {"number", OPTION_UNSIGNED, &number, 0},
    {"size", OPTION_SIZE, &size_value, 0},
    {"text", OPTION_STRING, text, sizeof(text)},
    {"call", OPTION_CALL, (void *)call, 0},
};

/* In the hypervisor the linker gathers the options and marks their end. */
void options_bounds(void);
__attribute__((used)) void options_bounds(void)
{
    __asm__ volatile(".globl options_end\n.set options_end, options_start + %c0" : : "i"(sizeof(options_start)));
}

void log_print(enum log_level level, const char *format, ...)
{
    (void)level;
    REQUIRE(format);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);

    memcpy(line, data, size);
    line[size] = '\0';
    options_parse(line);
    REQUIRE(memchr(text, 0, sizeof(text)));
    free(line);
    return 0;
}
