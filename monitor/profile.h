/* SPDX-License-Identifier: MIT
 * Samples of the guest: where it is, and who called, a thousand times a second. */
#ifndef MONITOR_PROFILE_H
#define MONITOR_PROFILE_H

#include "monitor/machine.h"

typedef struct Profile Profile;

/* Starts sampling. vCPU stopped. */
Profile *profile_new(Machine *machine);
/* Stops it; vCPU stopped. */
void profile_free(Profile *profile);
/* One line a stack, "outermost;...;innermost COUNT": the folded form that flame graph tools read.
 */
bool profile_write(const Profile *profile, const char *path, GError **error);
/* Samples by address of the block, most first. vCPU stopped. */
unsigned profile_list(const Profile *profile, TopEntry *out, unsigned capacity);
uint64_t profile_samples(const Profile *profile);

#endif
