// Drawing: a few shapes as SVG on a white sheet.
#pragma once

#include <sstream>
#include <string>
#include <string_view>

namespace octavo::bench {

/// Colours that differ in lightness too, so that they survive grey paper and colour blindness.
namespace ink {
inline constexpr std::string_view text = "#1b1f24", faint = "#5b6470", grid = "#dfe3e8", axis = "#30363d",
                                  octavo = "#0b5fa5", onednn = "#d9731a";
}

/// A piece of text.
struct caption {
  double x = 0, y = 0;
  std::string_view anchor = "start";  ///< start, middle or end
  std::string_view colour = ink::text;
  double size = 12;
  bool bold = false;
  double degrees = 0;  ///< turned clockwise about (x, y)
};

/// A sheet that is drawn on from back to front; y grows downwards.
class svg {
 public:
  void line(double x1, double y1, double x2, double y2, std::string_view colour, double width = 1,
            std::string_view dashes = "") {
    out_ << "<line x1='" << x1 << "' y1='" << y1 << "' x2='" << x2 << "' y2='" << y2 << "' stroke='" << colour
         << "' stroke-width='" << width << "'";
    if (!dashes.empty()) out_ << " stroke-dasharray='" << dashes << "'";
    out_ << "/>\n";
  }
  void rectangle(double x, double y, double width, double height, std::string_view colour) {
    out_ << "<rect x='" << x << "' y='" << y << "' width='" << width << "' height='" << height << "' fill='" << colour
         << "'/>\n";
  }
  void circle(double x, double y, double radius, std::string_view fill, std::string_view stroke) {
    out_ << "<circle cx='" << x << "' cy='" << y << "' r='" << radius << "' fill='" << fill << "' stroke='" << stroke
         << "' stroke-width='1.5'/>\n";
  }
  void write(const caption& c, std::string_view words) {
    out_ << "<text x='" << c.x << "' y='" << c.y << "' text-anchor='" << c.anchor << "' fill='" << c.colour
         << "' font-size='" << c.size << "'";
    if (c.bold) out_ << " font-weight='bold'";
    if (c.degrees != 0) out_ << " transform='rotate(" << c.degrees << " " << c.x << " " << c.y << ")'";
    out_ << ">";
    for (const char ch : words) escape(ch);
    out_ << "</text>\n";
  }

  /// The file's content.
  std::string sheet(double width, double height) const {
    std::ostringstream file;
    file << "<svg xmlns='http://www.w3.org/2000/svg' width='" << width << "' height='" << height << "' viewBox='0 0 "
         << width << " " << height << "' font-family='Helvetica, Arial, \"DejaVu Sans\", sans-serif'>\n"
         << "<rect width='100%' height='100%' fill='white'/>\n"
         << out_.str() << "</svg>\n";
    return file.str();
  }

 private:
  void escape(char c) {
    if (c == '<')
      out_ << "&lt;";
    else if (c == '&')
      out_ << "&amp;";
    else
      out_ << c;
  }

  std::ostringstream out_;
};

/// At most how wide text of that size is: letters of common fonts are 0.6 of their size on average, or less.
inline double width_of(std::string_view words, double size = 12) {
  return 0.6 * size * static_cast<double>(words.size());
}

}  // namespace octavo::bench
