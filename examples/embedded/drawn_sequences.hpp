// Procedural sequences of six classes: a track of energy through bands over time, in noise, as a formant of speech
// leaves it. Drawn from a seed with integers alone, so that the same seed gives the same sequences everywhere.
//
// The weights in embedded_sequence.safetensors were trained on them, by back-propagation through time with Adam on
// cross-entropy: 60 epochs, each of 12000 new sequences, of seeds from 1000 on, in batches of 64.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "octavo/tensor/random_weights.hpp"
#include "octavo/tensor/tensor.hpp"

namespace octavo::example {

inline constexpr int sequence_steps = 25, sequence_bands = 10;

/// The classes: what the track does.
enum class track { silent, steady, rising, falling, arched, pulsed };
inline constexpr int track_count = 6;

/// A labelled set of sequences.
struct drawn_sequences {
  tensor features;          ///< (N, sequence_steps, sequence_bands), f32, multiples of 1/256
  std::vector<int> labels;  ///< a track for each of the N
};

namespace detail {

/// Uniform in first, ..., last.
inline int draw_from(random_bits& random, int first, int last) {
  return first + static_cast<int>(random() % static_cast<std::uint64_t>(last - first + 1));
}

/// A track whose place moves by `change` bands from `begin` to `end`; lengths in 1/256 bands, times in steps.
struct drawn_track {
  track kind;
  int begin, end, place, change, width, energy, period;

  int energy_at(int step) const {
    if (kind == track::silent || step < begin || step >= end) return 0;
    return kind != track::pulsed || (step - begin) % period < period / 2 ? energy : 0;
  }
  int place_at(int step) const {
    const int moved = change * (step - begin) / (end - begin);
    switch (kind) {
      case track::rising: return place + moved;
      case track::falling: return place + change - moved;
      case track::arched: return place + 2 * std::min(moved, change - moved);
      default: return place;
    }
  }
};

inline drawn_track draw_track(random_bits& random, track kind) {
  drawn_track t{};
  t.kind = kind;
  t.begin = draw_from(random, 0, 7);
  t.end = t.begin + draw_from(random, 12, 17);
  t.change = draw_from(random, 300, 900);
  t.place = draw_from(random, 128, sequence_bands * 256 - 384 - t.change);
  t.width = draw_from(random, 320, 640);
  t.energy = draw_from(random, 224, 480);
  t.period = draw_from(random, 4, 6);
  return t;
}

/// Writes one sequence, (sequence_steps, sequence_bands): the track's energy falls off linearly to both sides.
inline void draw_sequence(random_bits& random, track kind, std::span<float> features) {
  const drawn_track t = draw_track(random, kind);
  const int noise = draw_from(random, 40, 128);  // its deviation, in 1/256
  for (int step = 0; step < sequence_steps; ++step)
    for (int band = 0; band < sequence_bands; ++band) {
      const int away = std::min(std::abs(band * 256 + 128 - t.place_at(step)), t.width);
      int noisy = t.energy_at(step) * (t.width - away) / t.width;
      int sum = -2 * 256;  // of four uniform numbers: nearly normal, of deviation 148
      for (std::uint64_t bits = random(), i = 0; i < 4; ++i, bits >>= 8) sum += static_cast<int>(bits & 0xff);
      noisy += sum * noise / 148;
      features[static_cast<std::size_t>(step * sequence_bands + band)] = static_cast<float>(noisy) / 256.0f;
    }
}

}  // namespace detail

/// `count` sequences of `seed`, each class once among every six in a row; count >= 1.
inline drawn_sequences draw_sequences(std::uint64_t seed, int count) {
  drawn_sequences drawn{tensor(element::f32, {count, sequence_steps, sequence_bands}), {}};
  constexpr std::size_t one = std::size_t{sequence_steps} * sequence_bands;
  random_bits random(seed);
  for (int i = 0; i < count; ++i) {
    drawn.labels.push_back(i % track_count);
    detail::draw_sequence(random, static_cast<track>(i % track_count),
                          drawn.features.as<float>().subspan(static_cast<std::size_t>(i) * one, one));
  }
  return drawn;
}

}  // namespace octavo::example
