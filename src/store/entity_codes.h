// Numbers the resources or scopes of many batches: equal ones of different batches share a code.
// Every batch repeats its senders' resources, so that they are compared by the ids of their strings
// and encoded once. The block writer uses this.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "store/column_gather.h"

namespace weft::store {

struct EntityCodes {
  std::vector<std::vector<uint32_t>> codes;  // by batch and row of its table
  std::vector<std::string> entries;          // by code, as entity_codec.h encodes them
};

// `strings` are of the same batches.
EntityCodes number_resources(std::span<const SpanBatchPtr> batches, GlobalStrings& strings);
EntityCodes number_scopes(std::span<const SpanBatchPtr> batches, GlobalStrings& strings);

}  // namespace weft::store
