namespace FastRelay.Outside.Linux;

/// <summary>One lane: a thread that runs jobs in order and posts each back to its loop. Neither side allocates.</summary>
internal sealed class DiskThread : IDisposable
{
    private readonly Loop _loop;
    private readonly EventFd _wake = new(blocking: true);
    private readonly Thread _thread;
    private readonly Lock _gate = new();
    private DiskJob[] _queue = new DiskJob[64];
    private int _head;
    private int _count;
    private bool _sleeping;
    private bool _stopping;

    public DiskThread(Loop loop, string name)
    {
        _loop = loop;
        _thread = new Thread(Work) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Queues a job.</summary>
    public void Submit(DiskJob job)
    {
        bool wake;
        lock (_gate)
        {
            Check.That(!_stopping, "a disk job after the end");
            Push(job);
            wake = _sleeping;
            _sleeping = false;
        }
        if (wake)
        {
            _wake.Wake();
        }
    }

    /// <summary>Finishes what is queued and ends the thread.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopping)
            {
                return;
            }
            _stopping = true;
        }
        _wake.Wake();
        _thread.Join();
        _wake.Dispose();
    }

    private void Work()
    {
        while (true)
        {
            DiskJob? job = null;
            lock (_gate)
            {
                if (_count > 0)
                {
                    job = _queue[_head];
                    _queue[_head] = null!;
                    _head = (_head + 1) & (_queue.Length - 1);
                    _count--;
                }
                else if (_stopping)
                {
                    return;
                }
                else
                {
                    _sleeping = true;
                }
            }
            if (job is null)
            {
                _wake.Wait();
                continue;
            }
            try
            {
                job.Execute();
            }
            catch (Exception e)
            {
                // Files say what went wrong by results: an exception here is a defect of ours, with the journal in hand.
                Check.Fatal($"a disk job failed: {e}");
            }
            _loop.Post(job);
        }
    }

    private void Push(DiskJob job)
    {
        if (_count == _queue.Length)
        {
            var larger = new DiskJob[_queue.Length * 2];
            for (int i = 0; i < _count; i++)
            {
                larger[i] = _queue[(_head + i) & (_queue.Length - 1)];
            }
            _queue = larger;
            _head = 0;
        }
        _queue[(_head + _count) & (_queue.Length - 1)] = job;
        _count++;
    }
}
