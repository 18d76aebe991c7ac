using System.Text;
using FastRelay.Smtp;
using FastRelay.Tests.Golden;
using Xunit;

namespace FastRelay.Tests.Smtp.Content;

public class FieldCutterTests
{
    [Theory]
    [InlineData("X-Tenant: acme\r\nSubject: x\r\n\r\nX-Tenant: body\r\n", "Subject: x\r\n\r\nX-Tenant: body\r\n", "acme")]
    [InlineData("Subject: x\r\nx-TENANT:acme \t\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n", "acme")]
    [InlineData("A: 1\r\nX-Tenant: first\r\nB: 2\r\nX-Tenant: second\r\nC: 3\r\n\r\n", "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", "first")]
    [InlineData("X-Tenant:\r\n acme\r\n\t\r\nA: 1\r\n folded\r\n\r\n", "A: 1\r\n folded\r\n\r\n", "acme")]
    [InlineData("X-Tenant \t: acme\r\n\r\n", "\r\n", "acme")]
    [InlineData("X-Tenants: a\r\nX-Tenan: b\r\nXX-Tenant: c\r\nX-Tenant d: e\r\n X-Tenant: f\r\n\r\n", "X-Tenants: a\r\nX-Tenan: b\r\nXX-Tenant: c\r\nX-Tenant d: e\r\n X-Tenant: f\r\n\r\n", "")]
    [InlineData("\r\nX-Tenant: body\r\n", "\r\nX-Tenant: body\r\n", "")]
    [InlineData("A: 1\r\nX-Ten\r\n", "A: 1\r\nX-Ten\r\n", "")]
    [InlineData("X-Tenant: acme\r\n", "", "acme")]
    [InlineData("X-Tenant: acme\r\nX-Tenant: other\r\n more\r\nbody\r\n\r\n", "body\r\n\r\n", "acme")]
    public void The_field_goes_and_its_first_value_stays_however_the_message_is_cut(string stored, string kept, string value)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(stored);
        var cutter = new FieldCutter("X-Tenant"u8);
        foreach (int[] cut in Cuts.Of(bytes.Length))
        {
            cutter.Reset();
            var text = new StringBuilder();
            byte[] room = new byte[FieldCutter.PieceMax + FieldCutter.HeldMax];
            int at = 0;
            foreach (int piece in cut)
            {
                bytes.AsSpan(at, piece).CopyTo(room);
                at += piece;
                text.Append(Encoding.ASCII.GetString(room, 0, cutter.Cut(room, piece)));
            }
            Assert.Equal(kept, text.ToString());
            Assert.Equal(value, Encoding.ASCII.GetString(cutter.Value));
            Assert.Equal(stored.Length - kept.Length, cutter.Octets);
        }
    }

    [Fact]
    public void White_space_before_the_colon_is_held_back_to_its_bound()
    {
        foreach ((int blanks, bool cut) in new[] { (FieldCutter.HeldMax - 8, true), (FieldCutter.HeldMax - 7, false) })
        {
            var cutter = new FieldCutter("X-Tenant"u8);
            string stored = "X-Tenant" + new string(' ', blanks) + ": acme\r\n\r\n";
            byte[] room = new byte[FieldCutter.PieceMax];
            int length = cutter.Cut(room, Encoding.ASCII.GetBytes(stored, room));
            Assert.Equal(cut ? "\r\n" : stored, Encoding.ASCII.GetString(room, 0, length));
        }
    }

    [Fact]
    public void A_value_past_its_bound_counts_as_none()
    {
        foreach ((int octets, bool kept) in new[] { (FieldCutter.ValueMax - 2, true), (FieldCutter.ValueMax - 1, false) })
        {
            var cutter = new FieldCutter("T"u8);
            string value = new('v', octets);
            byte[] room = new byte[FieldCutter.PieceMax];
            int length = cutter.Cut(room, Encoding.ASCII.GetBytes($"T:{value}\r\n\r\n", room));
            Assert.Equal(2, length);
            Assert.Equal(kept ? value : "", Encoding.ASCII.GetString(cutter.Value));
        }
    }

    [Fact]
    public void Cutting_allocates_nothing()
    {
        var cutter = new FieldCutter("X-Tenant"u8);
        byte[] room = new byte[FieldCutter.PieceMax + FieldCutter.HeldMax];
        byte[] message = "Subject: x\r\nX-Tenant: acme\r\n\r\nbody\r\n"u8.ToArray();
        long before = 0;
        for (int i = 0; i < 1_000; i++)
        {
            if (i == 10)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            cutter.Reset();
            message.CopyTo(room, 0);
            cutter.Cut(room, message.Length);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
