/* SPDX-License-Identifier: MIT */
/* Sleeping in a freezable state; tasks are never frozen here. */
#pragma once

#include "sched.h"
