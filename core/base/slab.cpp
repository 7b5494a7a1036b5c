#include "core/base/slab.h"

#include <sys/mman.h>

namespace keepwarm {

namespace {

/// What a free place holds. Places that were never used are not in the list, so that their pages stay untouched.
struct FreePlace {
  FreePlace* next;
};

constexpr std::size_t round_up(std::size_t size, std::size_t to) noexcept {
  return (size + to - 1) / to * to;
}

std::uintptr_t number(const void* address) noexcept {
  return reinterpret_cast<std::uintptr_t>(address);
}

/// An address that no other living thread has.
const void* this_thread() noexcept {
  thread_local const char name = 0;
  return &name;
}

/// Maps `size` bytes at a multiple of `size`; nullptr: the kernel has none left.
void* map_aligned(std::size_t size) noexcept {
  void* const wide = ::mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (wide == MAP_FAILED) return nullptr;
  char* const begin = static_cast<char*>(wide);
  const std::size_t before = round_up(number(begin), size) - number(begin);
  if (before > 0) ::munmap(begin, before);
  ::munmap(begin + before + size, size - before);
  return begin + before;
}

}  // namespace

/// Lies at the start of the chunk; the places follow.
struct Slab::Chunk {
  Slab* slab;
  Chunk* next = nullptr;  // in partly_used_
  Chunk* previous = nullptr;
  FreePlace* free = nullptr;
  std::uint32_t used = 0;
  std::uint32_t touched = 0;  // places that were ever used; the others come after them

  explicit Chunk(Slab& owner) noexcept : slab(&owner) {}
  [[nodiscard]] bool full() const noexcept { return used == slab->capacity_; }
  [[nodiscard]] void* place(std::uint32_t index) noexcept {
    return reinterpret_cast<char*>(this + 1) + std::size_t{index} * slab->object_size_;
  }
};

Slab::Slab(std::size_t object_size) noexcept
    : object_size_(static_cast<std::uint32_t>(object_size)),
      capacity_(static_cast<std::uint32_t>((kChunkSize - sizeof(Chunk)) / object_size_)),
      thread_(this_thread()) {
  assert(object_size % alignof(FreePlace) == 0 && object_size > 0 && object_size <= kChunkSize / 16);
}

Slab::~Slab() {
  assert(objects_ == 0);
  if (empty_ != nullptr) unmap(empty_);
}

void* Slab::allocate() {
  assert(thread_ == this_thread());
  if (partly_used_ == nullptr) {
    link(empty_ != nullptr ? *empty_ : *new_chunk());
    empty_ = nullptr;
  }
  Chunk& chunk = *partly_used_;
  void* place = chunk.free;
  if (chunk.free != nullptr) {
    chunk.free = chunk.free->next;
  } else {
    place = chunk.place(chunk.touched++);
  }
  ++chunk.used;
  ++objects_;
  if (chunk.full()) unlink(chunk);
  return place;
}

void Slab::deallocate(void* object) noexcept {
  auto* const chunk = reinterpret_cast<Chunk*>(static_cast<char*>(object) - number(object) % kChunkSize);
  chunk->slab->release(*chunk, object);
}

void Slab::release(Chunk& chunk, void* object) noexcept {
  assert(thread_ == nullptr || thread_ == this_thread());
  assert(chunk.used > 0);
  if (chunk.full()) link(chunk);
  chunk.free = ::new (object) FreePlace{chunk.free};
  --chunk.used;
  --objects_;
  if (chunk.used > 0) return;
  unlink(chunk);
  if (empty_ == nullptr) {
    empty_ = &chunk;
  } else {
    --chunks_;
    unmap(&chunk);
  }
  if (thread_ == nullptr && objects_ == 0) delete this;
}

Slab::Chunk* Slab::new_chunk() {
  void* const memory = map_aligned(kChunkSize);
  if (memory == nullptr) throw std::bad_alloc();
  ++chunks_;
  return ::new (memory) Chunk(*this);
}

void Slab::unmap(Chunk* chunk) noexcept {
  ::munmap(chunk, kChunkSize);
}

void Slab::link(Chunk& chunk) noexcept {
  chunk.next = partly_used_;
  chunk.previous = nullptr;
  if (partly_used_ != nullptr) partly_used_->previous = &chunk;
  partly_used_ = &chunk;
}

void Slab::unlink(Chunk& chunk) noexcept {
  (chunk.previous != nullptr ? chunk.previous->next : partly_used_) = chunk.next;
  if (chunk.next != nullptr) chunk.next->previous = chunk.previous;
}

SlabOfThread::SlabOfThread(std::size_t object_size) : slab_(new Slab(object_size)) {}

SlabOfThread::~SlabOfThread() {
  slab_->thread_ = nullptr;
  if (slab_->objects() == 0) delete slab_;
}

}  // namespace keepwarm
