#include "core/base/slab.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <sys/mman.h>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm::test {
namespace {

constexpr std::size_t kSize = 200;
/// More than two chunks and less than three.
constexpr std::size_t kMany = 5 * Slab::kChunkSize / 2 / kSize;

std::uintptr_t chunk_of(const void* object) {
  return reinterpret_cast<std::uintptr_t>(object) / Slab::kChunkSize;
}

char* start_of_chunk(void* object) {
  return static_cast<char*>(object) - reinterpret_cast<std::uintptr_t>(object) % Slab::kChunkSize;
}

bool is_mapped(char* chunk) {
  unsigned char resident = 0;
  return ::mincore(chunk, 1, &resident) == 0;
}

/// A slab with objects, all freed at the end.
struct SlabFixture {
  Slab slab{kSize};
  std::vector<void*> objects;

  ~SlabFixture() { free_all(); }
  void allocate(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) objects.push_back(slab.allocate());
  }
  void free_all() {
    for (void* object : objects) Slab::deallocate(object);
    objects.clear();
  }
  /// Keeps those for which `keeps(object)`.
  template <typename Predicate>
  void free_all_but(Predicate keeps) {
    const auto end = std::partition(objects.begin(), objects.end(), keeps);
    std::for_each(end, objects.end(), &Slab::deallocate);
    objects.erase(end, objects.end());
  }
};

TEST_CASE("objects of a slab do not overlap, are aligned, and lie side by side") {
  SlabFixture fixture;
  fixture.allocate(kMany);
  for (std::size_t i = 0; i < kMany; ++i) std::memset(fixture.objects[i], static_cast<int>(i % 251), kSize);
  for (std::size_t i = 0; i < kMany; ++i) {
    const auto* bytes = static_cast<const unsigned char*>(fixture.objects[i]);
    CHECK(reinterpret_cast<std::uintptr_t>(bytes) % alignof(void*) == 0);
    CHECK(std::all_of(bytes, bytes + kSize, [&](unsigned char byte) { return byte == i % 251; }));
  }
  CHECK(fixture.slab.objects() == kMany);
  CHECK(fixture.slab.chunks() == 3);
}

TEST_CASE("a place is used again before a new one is") {
  SlabFixture fixture;
  fixture.allocate(3);
  void* const freed = fixture.objects[1];
  Slab::deallocate(freed);
  fixture.objects[1] = fixture.slab.allocate();
  CHECK(fixture.objects[1] == freed);
}

TEST_CASE("chunks that have run empty go back to the kernel, but for one") {
  SlabFixture fixture;
  fixture.allocate(kMany);
  std::set<char*> chunks;
  for (void* object : fixture.objects) chunks.insert(start_of_chunk(object));
  fixture.free_all();
  CHECK(fixture.slab.chunks() == 1);
  CHECK(std::count_if(chunks.begin(), chunks.end(), is_mapped) == 1);
  fixture.allocate(1);
  CHECK(fixture.slab.chunks() == 1);
}

TEST_CASE("an object does not keep another chunk than its own") {
  SlabFixture fixture;
  fixture.allocate(kMany);
  const void* const survivor = fixture.objects[0];
  fixture.free_all_but([&](void* object) { return object == survivor; });
  CHECK(fixture.slab.chunks() == 2);  // its own, and the one kept
}

TEST_CASE("new objects come into the chunk that was full last, so that the others can run empty") {
  SlabFixture fixture;
  fixture.allocate(kMany);
  const std::uintptr_t first = chunk_of(fixture.objects.front());
  const std::uintptr_t last = chunk_of(fixture.objects.back());
  // All but one object of the last chunk go, and one of the first.
  void* const freed = fixture.objects.front();
  const void* const kept = fixture.objects.back();
  fixture.free_all_but([&](void* object) { return object == kept || (chunk_of(object) != last && object != freed); });
  fixture.allocate(1);
  CHECK(chunk_of(fixture.objects.back()) == first);
}

TEST_CASE("whatever is allocated and freed, in whatever order, the slab knows how much it holds") {
  SlabFixture fixture;
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same each time
  for (int round = 0; round < 20'000; ++round) {
    const bool grow = fixture.objects.size() < 200 || (random() % 2 == 0 && fixture.objects.size() < 2'000);
    if (grow) {
      fixture.allocate(1);
      continue;
    }
    std::swap(fixture.objects[random() % fixture.objects.size()], fixture.objects.back());
    Slab::deallocate(fixture.objects.back());
    fixture.objects.pop_back();
  }
  CHECK(fixture.slab.objects() == fixture.objects.size());
  const std::set<void*> distinct(fixture.objects.begin(), fixture.objects.end());
  CHECK(distinct.size() == fixture.objects.size());
  fixture.free_all();
  CHECK(fixture.slab.objects() == 0);
  CHECK(fixture.slab.chunks() == 1);
}

struct Thing : Slabbed<Thing> {
  std::array<void*, 12> data{};
};

TEST_CASE("objects of a slabbed class lie in the slab of their thread") {
  if constexpr (!kSlabs) return;
  Slab& slab = SlabOfThread::of<Thing>();
  const std::size_t before = slab.objects();
  const auto here = std::make_unique<Thing>();
  CHECK(slab.objects() == before + 1);
  std::thread([&] {
    const auto there = std::make_unique<Thing>();
    CHECK(&SlabOfThread::of<Thing>() != &slab);
    CHECK(chunk_of(there.get()) != chunk_of(here.get()));
  }).join();
  CHECK(slab.objects() == before + 1);
}

TEST_CASE("kinds of one type lie in chunks of their own") {
  struct Kind {};
  if constexpr (!kSlabs) return;
  void* const one = allocate_in_slab<Thing>();
  void* const other = allocate_in_slab<Thing, Kind>();
  CHECK(chunk_of(one) != chunk_of(other));
  free_in_slab(one);
  free_in_slab(other);
}

TEST_CASE("an object may be destroyed after its thread has ended, and its memory be used until then") {
  std::vector<std::unique_ptr<Thing>> things;
  std::thread([&] {
    for (int i = 0; i < 2'000; ++i) things.push_back(std::make_unique<Thing>());
  }).join();
  for (const auto& thing : things) thing->data.fill(thing.get());
  things.clear();
}

}  // namespace
}  // namespace keepwarm::test
