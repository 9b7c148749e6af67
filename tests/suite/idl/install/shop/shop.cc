// SPDX-License-Identifier: MIT
#include <iostream>

#include "shop.ipc.hpp"

int main()
{
	shop::Item item;

	item.mutable_bought()->set_seconds(1);
	std::cout << item.ShortDebugString() << '\n';
}
