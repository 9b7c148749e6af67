/* SPDX-License-Identifier: MIT */
/* Counts of address spaces. */
#pragma once

#include "../mm.h"

void mmgrab(struct mm_struct *mm);
void mmdrop(struct mm_struct *mm);
