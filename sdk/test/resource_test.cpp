// What a resource finds out, and how it is put together. init_test.cpp has what reaches a receiver.
#include <gtest/gtest.h>

#include <unistd.h>

#include <string>

#include <weft/resource.h>

#include "../src/container_id.h"

namespace {

using weft::Resource;
using weft::sdk_detail::container_id_of;

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

TEST(ContainerId, IsInThePathsOfControlGroups) {
  EXPECT_EQ(container_id_of("12:memory:/docker/" + kId + "\n11:cpu:/docker/" + kId + "\n", ""),
            kId);
  EXPECT_EQ(container_id_of("1:name=systemd:/kubepods.slice/kubepods-pod1f.slice/cri-containerd-" +
                                kId + ".scope\n",
                            ""),
            kId);
  EXPECT_EQ(container_id_of("0::/machine.slice/libpod-" + kId + ".scope", ""), kId);
  // In a container in a container it is the inner one.
  const std::string outer(64, 'a');
  EXPECT_EQ(container_id_of("5:cpu:/\n4:pids:/docker/" + outer + "/docker/" + kId + "\n", ""), kId);
}

TEST(ContainerId, IsInTheMountsWhereControlGroupsHideIt) {
  const std::string mounts = "611 600 0:60 / / rw - overlay overlay rw,lowerdir=/l/" +
                             kId.substr(1) + "0:/l/B\n620 611 254:1 /var/lib/docker/containers/" +
                             kId + "/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n";
  EXPECT_EQ(container_id_of("0::/\n", mounts), kId);
}

TEST(ContainerId, IsNothingElse) {
  EXPECT_EQ(container_id_of("", ""), "");
  EXPECT_EQ(container_id_of("0::/user.slice/user-1000.slice/session-2.scope\n", ""), "");
  EXPECT_EQ(container_id_of("0::/x/" + kId + "0\n", ""), "");           // a digit too many
  EXPECT_EQ(container_id_of("0::/x/" + kId.substr(1) + "\n", ""), "");  // one too few
  // Images and layers have such names too.
  EXPECT_EQ(container_id_of("0::/\n", "1 2 0:3 / / rw - overlay overlay lowerdir=/l/" + kId), "");
}

TEST(Resource, OfTwoTheOtherWins) {
  Resource a;
  a.set("kept", "a").set("both", "a").set("number", std::int64_t{1});
  Resource b;
  b.set("both", "b");
  a.merge(b);
  EXPECT_EQ(std::get<std::string>(*a.find("kept")), "a");
  EXPECT_EQ(std::get<std::string>(*a.find("both")), "b");
  EXPECT_EQ(a.find("nothing"), nullptr);
  EXPECT_EQ(a.attributes().size(), 3U);
}

TEST(Resource, OfTwoSchemaUrlsNeitherIsTrue) {
  Resource a;
  Resource b;
  b.set_schema_url("https://example.org/1");
  a.merge(b);
  EXPECT_EQ(a.schema_url(), "https://example.org/1");
  Resource c;
  c.set_schema_url("https://example.org/2");
  a.merge(c);
  EXPECT_EQ(a.schema_url(), "");
}

TEST(Resource, KnowsTheProcess) {
  const Resource found = Resource::detect();
  EXPECT_EQ(std::get<std::int64_t>(*found.find("process.pid")), getpid());
  EXPECT_EQ(std::get<std::int64_t>(*found.find("process.parent_pid")), getppid());
  EXPECT_EQ(std::get<std::string>(*found.find("os.type")), "linux");
  EXPECT_EQ(std::get<std::string>(*found.find("telemetry.sdk.language")), "cpp");
  char host[256] = {};
  ASSERT_EQ(gethostname(host, sizeof(host) - 1), 0);
  EXPECT_EQ(std::get<std::string>(*found.find("host.name")), host);
}

}  // namespace
