// Converts a folder of JPEG and PNG images with labels into one binary file of numbers ready for a network.
//
//   convert_images --images imagenet/val --out val.bin --resize 256
//   convert_images --images imagenet/val --out val.bin --resize 256 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5
//
// The folder has a file val_list.txt with lines `path label`. The binary file holds, little-endian: int64 N;
// N*3*S*S float32, planes of red, green, blue; N int64 labels.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "octavo/io/image_binary.hpp"
#include "octavo/io/image_folder.hpp"
#include "progress.hpp"

namespace {

struct arguments {
  std::string images;
  std::string out;
  int limit = 0;
  octavo::preprocessing options = octavo::imagenet_preprocessing();
};

void convert(const arguments& a) {
  const octavo::image_folder all(a.images, a.options);
  const octavo::image_subset images(all, 0, a.limit == 0 ? all.count() : std::min(a.limit, all.count()));
  octavo::example::progress bar("converting", images.count());
  octavo::write_image_binary(a.out, images, [&](int) { bar.advance(); });
  std::fprintf(stderr, "%s: %d images of %d x %d\n", a.out.c_str(), images.count(), a.options.crop, a.options.crop);
}

}  // namespace

int main(int argc, char** argv) {
  arguments a;
  CLI::App app("Converts a folder of labelled images into one binary file.");
  app.add_option("--images", a.images, "Folder with val_list.txt (lines: path label)")->required();
  app.add_option("--out", a.out, "File to write")->required();
  app.add_option("--size", a.options.crop, "Side of the square cut out of the centre, in pixels")
      ->capture_default_str();
  app.add_option("--resize", a.options.resize_short_side, "Scale the short side to this many pixels first; 0 = do not")
      ->capture_default_str();
  std::string filter = "lanczos";
  app.add_option("--filter", filter, "Filter of the resize: lanczos or area")
      ->check(CLI::IsMember({"lanczos", "area"}))
      ->capture_default_str();
  app.add_option("--mean", a.options.mean, "Subtracted from v/255: red,green,blue")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--std", a.options.deviation, "Then divided by: red,green,blue")
      ->delimiter(',')
      ->capture_default_str();
  app.add_flag("--bgr", a.options.bgr, "Write the planes in the order blue, green, red");
  app.add_option("--max-pixels", a.options.limits.pixels, "Refuse images of more pixels")->capture_default_str();
  app.add_option("--max-scans", a.options.limits.scans, "Refuse JPEG files of more scans")->capture_default_str();
  app.add_option("--limit", a.limit, "Convert only the first images; 0 = all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  a.options.filter = filter == "area" ? octavo::resize_filter::area : octavo::resize_filter::lanczos;
  try {
    convert(a);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "convert_images: %s\n", e.what());
    return 1;
  }
}
