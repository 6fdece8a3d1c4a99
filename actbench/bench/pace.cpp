// Additions that wait for each other, one a cycle whatever else the core does, and additions that do not: of these there
// are as many a cycle as the core has units for, less those that another thread of the core takes.

#include <cstdint>
#include <ctime>

namespace {

constexpr int64_t ROUNDS = 1 << 18;

// `CHAINS` chains; a chain's steps wait for each other. Additions per second of CPU time.
template <int CHAINS> double additions_per_s() {
    constexpr int64_t STEPS = 32;
    uint64_t sums[CHAINS] = {};
    const std::clock_t begin = std::clock();
    for (int64_t round = 0; round < ROUNDS; ++round) {
#pragma GCC unroll 32
        for (int64_t step = 0; step < STEPS; ++step) {
#pragma GCC unroll 6
            for (int chain = 0; chain < CHAINS; ++chain) {
                sums[chain] += 1;
                asm volatile("" : "+r"(sums[chain]));
            }
        }
    }
    const double seconds = double(std::clock() - begin) / CLOCKS_PER_SEC;
    return seconds > 0 ? double(ROUNDS * STEPS * CHAINS) / seconds : 0;
}

}  // namespace

extern "C" void actbench_pace(double *cycles_per_s, double *additions) {
    *cycles_per_s = additions_per_s<1>();
    *additions = additions_per_s<6>();
}
