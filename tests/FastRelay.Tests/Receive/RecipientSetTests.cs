using System.Text;
using FastRelay.Journal;
using FastRelay.Receive;

namespace FastRelay.Tests.Receive;

public class RecipientSetTests
{
    [Theory]
    [InlineData("a@b.test", "a@b.test", true)]
    [InlineData("a@b.test", "a@B.TEST", true)]
    [InlineData("a@b.test", "A@b.test", false)]
    [InlineData("\"x@y\"@b.test", "\"X@y\"@b.test", false)]
    [InlineData("a@b.test", "a@c.test", false)]
    public void Domains_are_compared_without_case_and_local_parts_by_octet(string one, string other, bool same) =>
        Assert.Equal(same, RecipientSet.Same(Encoding.ASCII.GetBytes(one), Encoding.ASCII.GetBytes(other)));

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(33)]
    [InlineData(3000)]
    public void It_knows_what_a_set_of_text_knows(int names)
    {
        var random = new Random(names);
        var set = new RecipientSet();
        var envelope = new EnvelopeBuilder();
        for (int round = 0; round < 3; round++)
        {
            set.Clear();
            envelope.Start("s@t.test"u8, EnvelopeFlags.None, "peer"u8, "helo"u8);
            var twin = new HashSet<string>();
            for (int i = 0; i < names * 2; i++)
            {
                string name = $"u{random.Next(names)}@d.test";
                byte[] mailbox = Encoding.ASCII.GetBytes(random.Next(2) == 0 ? name : name.Replace("d.test", "D.Test", StringComparison.Ordinal));
                Assert.Equal(twin.Contains(name), set.Has(mailbox, envelope));
                if (twin.Add(name))
                {
                    Assert.True(envelope.TryAddRecipient(mailbox));
                    set.Added(mailbox, envelope);
                }
            }
            Assert.Equal(twin.Count, envelope.RecipientCount);
        }
    }
}
