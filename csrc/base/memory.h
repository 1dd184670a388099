// Aligned, zeroed memory straight from the system, with huge pages where it has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace spatz {

// An anonymous mapping. Pages are taken from the system when first touched, so reserving much costs nothing.
class Mapping {
  public:
    Mapping() = default;
    explicit Mapping(size_t bytes);  // throws std::bad_alloc
    ~Mapping();
    Mapping(Mapping&& other) noexcept
        : base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Mapping& operator=(Mapping&& other) noexcept {
        std::swap(base_, other.base_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }

    uint8_t* data() const { return base_; }
    size_t size() const { return bytes_; }
    // Gives the pages that lie wholly inside the range back; they read as zero afterwards.
    void release(size_t offset, size_t bytes) const;

  private:
    uint8_t* base_ = nullptr;
    size_t bytes_ = 0;
};

// A typed view of a Mapping of its own: [size] elements, 64-byte aligned, zeroed.
template <typename T>
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(size_t size) : mapping_(size * sizeof(T)), size_(size) {}
    T* data() const { return reinterpret_cast<T*>(mapping_.data()); }
    size_t size() const { return size_; }
    T& operator[](size_t i) const { return data()[i]; }
    // Grows to at least `size` elements; the content is lost when it does.
    void reserve(size_t size) {
        if (size > size_) *this = Buffer(size);
    }

  private:
    Mapping mapping_;
    size_t size_ = 0;
};

constexpr int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }
constexpr int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

}  // namespace spatz
