// Times products of two activations on one thread, with oneDNN's beside them.
//
//   bench_matmul --benchmark_filter='12x128x64x128.*/octavo_int8' --benchmark_enable_random_interleaving
//
// Names are <slices>x<m>x<k>x<n>/<b or bT>/<isa>/<contestant>; bT: b is transposed. Shapes named as arguments,
// 1x100x100x100 say, take the place of those below. Octavo runs with each instruction set of this CPU up to OCTAVO_ISA,
// oneDNN with the highest of them. octavo_int8 multiplies u8 by u8 with zero points. oneDNN takes no u8 for b:
// onednn_int8 multiplies u8 by s8 without zero points, and octavo_s8_int8 has the same to do, its zero points being 0
// and 128. Counters: gops, and peak_percent of the core's measured peak.
#include <benchmark/benchmark.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <cstdio>
#include <iostream>
#include <map>

#include "networks.hpp"
#include "octavo/octavo.hpp"
#include "peak.hpp"
#ifdef OCTAVO_HAS_ONEDNN
#include "onednn_layer.hpp"
#endif

namespace {

using namespace octavo;
using namespace octavo::bench;

struct shape_entry {
  int slices, m, k, n;
};
constexpr shape_entry shapes[] = {{1, 128, 768, 768},    {12, 128, 64, 128}, {12, 128, 128, 64},
                                  {12, 1, 64, 128},      {1, 256, 256, 256}, {1, 512, 512, 512},
                                  {1, 1024, 1024, 1024}, {1, 100, 100, 100}, {1, 1, 4096, 4096}};

struct entry {
  shape_entry shape;
  bool transposed, int8;
  isa set;
  bool zero_points = true;
};

problem make_problem(const entry& e) {
  const auto [slices, m, k, n] = e.shape;
  const element type = e.int8 ? element::u8 : element::f32;
  problem p;
  p.op = op::matmul{.transpose_b = e.transposed};
  p.src = {{type, {slices, m, k}, {0.02f, e.zero_points ? 120 : 0}},
           {type, e.transposed ? dims{slices, n, k} : dims{slices, k, n}, {0.02f, e.zero_points ? 131 : 128}}};
  p.dst = {type, {slices, m, n}, {0.5f, 128}};
  return p;
}

std::vector<tensor> make_operands(const problem& p) {
  random_bits random(1);
  std::vector<tensor> operands;
  for (const tensor_type& t : {p.src[0], p.src[1], *p.dst}) {
    tensor& x = operands.emplace_back(t.type, t.extents);
    if (t.is_u8())
      for (std::uint8_t& v : x.as<std::uint8_t>()) v = static_cast<std::uint8_t>(random() >> 56);
    else
      for (float& v : x.as<float>()) v = random.normal();
  }
  return operands;
}

double peak_of(const entry& e) {
  static std::map<isa, core_peak> peaks;
  if (!peaks.contains(e.set)) peaks[e.set] = measure_peak(e.set);
  return e.int8 ? peaks[e.set].int8 : peaks[e.set].f32;
}

template <class Run>
void measure(benchmark::State& state, const entry& e, const Run& run) {
  run();
  for (auto _ : state) run();
  const auto [slices, m, k, n] = e.shape;
  using benchmark::Counter;
  const double giga = 2e-9 * slices * m * k * n;
  state.counters["gops"] = Counter(giga, Counter::kIsIterationInvariantRate);
  state.counters["peak_percent"] = Counter(100 * giga / peak_of(e), Counter::kIsIterationInvariantRate);
}

void run_octavo(benchmark::State& state, const entry& e) {
  const problem p = make_problem(e);
  std::vector<tensor> operands = make_operands(p);
  session s = prepare(p.op, p, native_kernels(e.set));
  state.SetLabel(std::string(s.planned()->steps[0].kernel));
  measure(state, e, [&] { s(operands[0], operands[1], operands[2]).or_throw(); });
}

#ifdef OCTAVO_HAS_ONEDNN
void run_onednn(benchmark::State& state, const entry& e) {
  using dnnl::memory;
  using dt = memory::data_type;
  const problem p = make_problem(e);
  std::vector<tensor> operands = make_operands(p);
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::dim slices = e.shape.slices, m = e.shape.m, k = e.shape.k, n = e.shape.n;
  const memory::dims b_strides = e.transposed ? memory::dims{n * k, 1, k} : memory::dims{k * n, n, 1};
  const memory::desc a({slices, m, k}, e.int8 ? dt::u8 : dt::f32, memory::format_tag::abc),
      b({slices, k, n}, e.int8 ? dt::s8 : dt::f32, b_strides),
      y({slices, m, n}, e.int8 ? dt::u8 : dt::f32, memory::format_tag::abc);
  dnnl::primitive_attr attr;
  std::unordered_map<int, memory> args{{DNNL_ARG_SRC, memory(a, engine, operands[0].bytes().data())},
                                       {DNNL_ARG_WEIGHTS, memory(b, engine, operands[1].bytes().data())},
                                       {DNNL_ARG_DST, memory(y, engine, operands[2].bytes().data())}};
#if DNNL_VERSION_MAJOR >= 3
  if (e.int8) {
    attr.set_scales_mask(DNNL_ARG_SRC, 0);
    memory scale({{1}, dt::f32, memory::format_tag::x}, engine);
    *static_cast<float*>(scale.get_data_handle()) = 8e-4f;
    args.insert_or_assign(DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC, scale);
  }
  const dnnl::matmul::primitive_desc d(engine, a, b, y, attr);
#else
  if (e.int8) attr.set_output_scales(0, {8e-4f});
  const dnnl::matmul::primitive_desc d(dnnl::matmul::desc(a, b, y), attr, engine);
#endif
  const dnnl::matmul product(d);
  state.SetLabel(d.impl_info_str());
  measure(state, e, [&] {
    product.execute(stream, args);
    stream.wait();
  });
}
#endif

void register_entry(const entry& e) {
  const auto [slices, m, k, n] = e.shape;
  const std::string name = text(slices, "x", m, "x", k, "x", n, e.transposed ? "/bT/" : "/b/", name_of(e.set), "/"),
                    type = e.int8 ? "int8" : "fp32";
  const auto add = [&](const std::string& contestant, void (*run)(benchmark::State&, const entry&),
                       bool zero_points = true) {
    entry with = e;
    with.zero_points = zero_points;
    benchmark::RegisterBenchmark((name + contestant + type).c_str(), [=](benchmark::State& s) {
      run(s, with);
    })->Unit(benchmark::kMicrosecond);
  };
  add("octavo_", run_octavo);
  if (e.int8) add("octavo_s8_", run_octavo, false);
#ifdef OCTAVO_HAS_ONEDNN
  if (e.set == isa_in_use()) add("onednn_", run_onednn);
#endif
}

}  // namespace

int main(int argc, char** argv) try {
#ifdef _OPENMP
  omp_set_num_threads(1);  // oneDNN's
#endif
#ifdef OCTAVO_HAS_ONEDNN
  set_onednn_isa(isa_in_use());
  benchmark::AddCustomContext("onednn", onednn_version());
#endif
  benchmark::AddCustomContext("cpu", cpu_name());
  benchmark::AddCustomContext("compiler", OCTAVO_COMPILER);
  benchmark::AddCustomContext("flags", OCTAVO_COMPILER_FLAGS);
  benchmark::Initialize(&argc, argv);
  std::vector<shape_entry> asked;
  for (int i = 1; i < argc; ++i) {
    shape_entry s{};
    int end = 0;
    const int read = std::sscanf(argv[i], "%dx%dx%dx%d%n", &s.slices, &s.m, &s.k, &s.n, &end);
    require(read == 4 && argv[i][end] == 0 && std::min({s.slices, s.m, s.k, s.n}) > 0,
            "expected a shape such as 1x100x100x100, found '", argv[i], "'");
    asked.push_back(s);
  }
  if (asked.empty()) asked.assign(std::begin(shapes), std::end(shapes));
  for (const shape_entry& s : asked)
    for (const bool int8 : {true, false})
      for (const bool transposed : {false, true})
        for (int i = static_cast<int>(isa_in_use()); i >= 0; --i)
          if (x86::runs(static_cast<isa>(i))) register_entry({s, transposed, int8, static_cast<isa>(i)});
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
} catch (const std::exception& e) {
  std::cerr << "bench_matmul: " << e.what() << "\n";
  return 1;
}
