using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

public class EmptyDestinationsTests
{
    [Fact]
    public void One_is_due_after_its_time_and_soon_where_there_are_many()
    {
        const long After = 600_000;
        QueueRig rig = new QueueRig().Domain("a.test");
        rig.Accept("s@x.test", "u@a.test");
        Destination destination = rig.Queue.State.Destinations.All.Single();
        var empty = new EmptyDestinations();
        Assert.Null(empty.Due(After, After, 1));
        empty.Add(destination, nowMs: 0);
        Assert.Null(empty.Due(After - 1, After, EmptyDestinations.Many));
        Assert.Same(destination, empty.Due(After, After, EmptyDestinations.Many));
        Assert.Null(empty.Due(EmptyDestinations.SoonMs - 1, After, EmptyDestinations.Many + 1));
        Assert.Same(destination, empty.Due(EmptyDestinations.SoonMs, After, EmptyDestinations.Many + 1));
        // A configured time that is shorter still holds.
        Assert.Same(destination, empty.Due(100, 100, EmptyDestinations.Many + 1));
    }
}
