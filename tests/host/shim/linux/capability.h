/* SPDX-License-Identifier: MIT */
/* Nothing of it is used; the driver asks for uids. */
#pragma once

#include "../kernel.h"
