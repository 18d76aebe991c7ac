using FastRelay.Host.Admin;
using FastRelay.Queue;

namespace FastRelay.Tests.Host;

public sealed class RelayDeskTests
{
    [Theory]
    [InlineData(QueueAction.Bounce, 1, true)]
    [InlineData(QueueAction.Bounce, RelayDesk.BounceTextMax, true)]
    [InlineData(QueueAction.Bounce, RelayDesk.BounceTextMax + 1, false)]
    [InlineData(QueueAction.Bounce, 0, false)]
    [InlineData(QueueAction.Remove, 1, false)]
    public void The_text_of_a_bounce_has_a_bound_and_goes_with_nothing_else(QueueAction action, int length, bool right)
    {
        string text = new('x', length);
        if (right)
        {
            Assert.NotNull(RelayDesk.DeedOf(action, text));
            return;
        }
        Assert.Throws<AdminException>(() => RelayDesk.DeedOf(action, text));
    }

    [Theory]
    [InlineData("line\r\nBcc: all")]
    [InlineData("tab\t")]
    [InlineData("größer")]
    public void The_text_of_a_bounce_is_printable_ASCII(string text) => Assert.Throws<AdminException>(() => RelayDesk.DeedOf(QueueAction.Bounce, text));

    [Theory]
    [InlineData(QueueAction.Move, null)]
    [InlineData(QueueAction.Move, "discard:")]
    [InlineData(QueueAction.Hold, "config")]
    [InlineData(QueueAction.Bounce, "smtp:[192.0.2.1]")]
    public void A_target_goes_with_a_move_and_nothing_else(QueueAction action, string? to) => Assert.Throws<AdminException>(() => RelayDesk.TargetOf(action, to));

    [Fact]
    public void A_move_names_its_target_or_goes_back()
    {
        Assert.Equal("smtp:[192.0.2.1]:25", RelayDesk.TargetOf(QueueAction.Move, "smtp:[192.0.2.1]:25")!.Text);
        Assert.Null(RelayDesk.TargetOf(QueueAction.Move, "config"));
        Assert.Null(RelayDesk.TargetOf(QueueAction.Retry, null));
    }

    [Fact]
    public void Each_action_is_a_deed_of_its_own()
    {
        QueueDeed[] deeds = [.. Enum.GetValues<QueueAction>().Select(action => RelayDesk.DeedOf(action, null))];
        Assert.Equal(deeds.Length, deeds.Distinct().Count());
        Assert.Same(QueueDeed.Release, RelayDesk.DeedOf(QueueAction.Release, null));
    }
}
