// Factorises strings of block numbers into nested repetitions: native because a run of a second has 10^8 blocks, and
// because the exact form takes quadratic time.
#include "factor_exact.h"
#include "factor_stream.h"

#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <tuple>

namespace nb = nanobind;
using namespace nb::literals;

namespace burnish::factorise {

namespace {

using Input = nb::ndarray<const Symbol, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Output = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
using Outputs = std::tuple<Output<uint32_t>, Output<uint32_t>, Output<uint64_t>, Output<uint64_t>, Output<uint32_t>>;

// The array that `kept` holds, which lives as long as the array that Python sees.
template <class T, class Kept>
Output<T> owned(std::unique_ptr<Kept> kept) {
    T* const data = kept->data();
    const size_t size = kept->size();
    nb::capsule owner(kept.release(), [](void* held) noexcept { delete static_cast<Kept*>(held); });
    return Output<T>(data, {size}, owner);
}

template <class T>
Output<T> owned(std::vector<T> values) {
    return owned<T>(std::make_unique<std::vector<T>>(std::move(values)));
}

Outputs outputs(std::unique_ptr<Growing<Symbol>> sequence, Grammar::Compact rules) {
    return {owned<uint32_t>(std::move(sequence)), owned(std::move(rules.rule_body)), owned(std::move(rules.rule_count)),
            owned(std::move(rules.starts)), owned(std::move(rules.pool))};
}

Outputs exact(Input input, Symbol alphabet, size_t window) {
    auto sequence = std::make_unique<Growing<Symbol>>();
    Grammar::Compact rules;
    {
        nb::gil_scoped_release release;
        Grammar grammar(alphabet);
        Exact(Symbols(input.data(), input.size()), window).form(grammar, *sequence);
        rules = grammar.compact(sequence->data(), sequence->size());
    }
    return outputs(std::move(sequence), std::move(rules));
}

// Takes the stream chunk by chunk; after `finish` it takes no more.
class Factoriser {
  public:
    Factoriser(Symbol alphabet, size_t window) : stream_(std::make_unique<Stream>(alphabet, window)) {}

    void feed(Input input) {
        Stream& stream = open();
        nb::gil_scoped_release release;
        stream.feed(input.data(), input.size());
    }

    Outputs finish() {
        Grammar::Compact rules;
        std::unique_ptr<Growing<Symbol>> sequence;
        {
            Stream& stream = open();
            nb::gil_scoped_release release;
            sequence = stream.finish();
            rules = stream.grammar().compact(sequence->data(), sequence->size());
            stream_.reset();
        }
        return outputs(std::move(sequence), std::move(rules));
    }

  private:
    std::unique_ptr<Stream> stream_;

    Stream& open() {
        if (!stream_) throw nb::value_error("the factoriser has finished");
        return *stream_;
    }
};

}  // namespace

void register_factorise(nb::module_& module) {
    module.def("factorise_exactly", &exact, "symbols"_a, "alphabet"_a, "window"_a);
    nb::class_<Factoriser>(module, "Factoriser")
        .def(nb::init<Symbol, size_t>(), "alphabet"_a, "window"_a)
        .def("feed", &Factoriser::feed, "symbols"_a)
        .def("finish", &Factoriser::finish);
}

}  // namespace burnish::factorise
