using System.Security.Cryptography;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Tests.Audit;

public sealed class TreeTests
{
    private static byte[] Leaf(int i) => SHA256.HashData(BitConverter.GetBytes(i));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(1000)]
    public void Every_leaf_of_a_batch_leads_to_its_root_and_to_no_other(int count)
    {
        var leaves = Enumerable.Range(0, count).SelectMany(Leaf).ToArray();
        var root = AuditTree.Root(leaves.AsSpan().ToArray());
        for (var i = 0; i < count; i++)
        {
            var proof = AuditTree.Prove(leaves, i);
            AuditTree.Follow(Leaf(i), i, count, proof).Should().Equal(root);
            if (count == 1) continue;
            AuditTree.Follow(Leaf(i), (i + 1) % count, count, proof)?.Should().NotEqual(root);
            AuditTree.Follow(Leaf(i + 1), i, count, proof).Should().NotEqual(root);
            AuditTree.Follow(Leaf(i), i, count, proof[..^1]).Should().BeNull();
        }
    }

    [Fact]
    public void The_log_is_that_of_RFC_6962()
    {
        // The leaves and roots of the test vectors that certificate transparency logs share.
        byte[][] data = [[], [0], [0x10], [0x20, 0x21], [0x30, 0x31], [0x40, 0x41, 0x42, 0x43], [0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57], [0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f]];
        string[] roots =
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        var log = new MerkleLog();
        for (var i = 0; i < data.Length; i++)
        {
            log.Add(SHA256.HashData([0, .. data[i]]));
            Convert.ToHexStringLower(log.Root()).Should().Be(roots[i]);
            MerkleLog.Resume(log.Size, log.Peaks).Root().Should().Equal(log.Root());
        }
    }

    [Fact]
    public void Every_block_leads_to_the_root_of_every_log_that_holds_it()
    {
        for (var size = 1; size <= 70; size++)
        {
            var leaves = Enumerable.Range(0, size).Select(Leaf).ToList();
            var log = new MerkleLog();
            leaves.ForEach(log.Add);
            var levels = MerkleLog.Levels(leaves);
            for (var i = 0; i < size; i++)
            {
                var path = MerkleLog.Prove(levels, i);
                MerkleLog.Follow(leaves[i], i, size, path).Should().Equal(log.Root());
                MerkleLog.Follow(Leaf(-1), i, size, path).Should().NotEqual(log.Root());
                if (i + 1 < size) MerkleLog.Follow(leaves[i], i + 1, size, path)?.Should().NotEqual(log.Root());
            }
        }
    }

    [Fact]
    public void The_ways_of_all_blocks_of_a_long_log_are_told_from_a_tree_that_is_made_once()
    {
        var leaves = Enumerable.Range(0, 50_000).Select(Leaf).ToList();
        var log = new MerkleLog();
        leaves.ForEach(log.Add);
        var (root, levels) = (log.Root(), MerkleLog.Levels(leaves));
        for (var i = 0; i < leaves.Count; i++) MerkleLog.Follow(leaves[i], i, leaves.Count, MerkleLog.Prove(levels, i)).Should().Equal(root);
    }

    [Fact]
    public void Ranges_of_numbers_know_what_they_hold_what_is_between_and_what_came_twice()
    {
        var random = new Random(3);
        for (var round = 0; round < 200; round++)
        {
            var (ranges, all) = (new SeqRanges(), new SortedSet<long>());
            for (var add = 0; add < 10; add++)
            {
                var some = Enumerable.Range(0, random.Next(8)).Select(_ => (long)random.Next(-30, 60)).Order().Distinct().ToArray();
                ranges.Add(some).Should().BeEquivalentTo(some.Where(all.Contains));
                all.UnionWith(some);
            }
            Enumerable.Range(-31, 92).Where(n => ranges.Contains(n)).Should().Equal(all.Select(n => (int)n));
            ranges.Gaps().SelectMany(gap => Enumerable.Range(-31, 92).Where(n => n >= gap.From && n < gap.To)).Should().Equal(Enumerable.Range(-31, 92).Where(n => !all.Contains(n)));
            (ranges.Gaps().First().From, ranges.Gaps().Last().To).Should().Be((long.MinValue, long.MaxValue));
            SeqRanges.Parse(ranges.ToString()).All.Should().Equal(ranges.All);
        }
    }
}
