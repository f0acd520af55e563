/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/storage_fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum storage_status storage_fault_set(struct storage_fault *fault, enum storage_status status,
                                      const char *file, uint64_t generation, const char *format, ...)
{
    va_list arguments;

    if (fault == NULL || fault->status != STORAGE_OK)
        return status;
    fault->status = status;
    fault->generation = generation;
    snprintf(fault->file, sizeof(fault->file), "%s", file != NULL ? file : "");
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof(fault->text), format, arguments);
    va_end(arguments);
    return status;
}

enum storage_status storage_fault_errno(struct storage_fault *fault, const char *file,
                                        const char *action, int error)
{
    enum storage_status status =
        error == ENOSPC || error == EDQUOT ? STORAGE_NO_SPACE : STORAGE_IO;

    return storage_fault_set(fault, status, file, 0, "%s: cannot %s: %s",
                             file != NULL ? file : "storage", action, strerror(error));
}

const char *storage_status_text(enum storage_status status)
{
#define X(name, text) [STORAGE_##name] = text,
    static const char *const texts[] = {STORAGE_STATUS_MAP(X)};
#undef X

    return (size_t)status < sizeof(texts) / sizeof(texts[0]) ? texts[status] : "unknown";
}
