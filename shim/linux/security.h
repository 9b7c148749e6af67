/* SPDX-License-Identifier: MIT */
/* A security module that has one label for all, until it is notified that it has none. */
#pragma once

#include "../kernel.h"

/* What it calls every thread; NULL: there is no such module. */
extern const char *shim_label;

void security_current_getsecid_subj(u32 *secid);
int security_secid_to_secctx(u32 secid, char **text, u32 *size);
void security_release_secctx(char *text, u32 size);
