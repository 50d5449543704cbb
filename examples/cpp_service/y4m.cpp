#include "y4m.h"

std::string y4m_header(int size) {
  const std::string side = std::to_string(size);
  return "YUV4MPEG2 W" + side + " H" + side + " F" + std::to_string(EMOGENE_FRAMES_PER_SECOND) +
         ":1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n";
}

void append_y4m(emogene::view<const std::uint8_t> nv12, int size, std::vector<std::uint8_t> &to) {
  static const char kStart[] = "FRAME\n";
  to.insert(to.end(), kStart, kStart + 6);
  const std::size_t luma = std::size_t(size) * std::size_t(size);
  to.insert(to.end(), nv12.begin(), nv12.begin() + luma);
  for (std::size_t plane = 0; plane < 2; ++plane)
    for (std::size_t i = luma + plane; i < nv12.size(); i += 2) to.push_back(nv12[i]);
}
