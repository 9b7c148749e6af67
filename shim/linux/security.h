/* SPDX-License-Identifier: MIT */
/* A security module that has the same label for all threads, if shim_label is set. */
#pragma once

#include "../kernel.h"

/* The label of every thread; NULL: there is no security module. */
extern const char *shim_label;

void security_current_getsecid_subj(u32 *secid);
int security_secid_to_secctx(u32 secid, char **text, u32 *size);
void security_release_secctx(char *text, u32 size);
