/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams against the naive model; the input says what happens. See stream_model.h. */
#include "kmod-free/tests/stream_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    model_run(bytes_of(data, len < 8192 ? len : 8192));
    return 0;
}
