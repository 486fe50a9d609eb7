// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {LibCall} from "solady/utils/LibCall.sol";
import {ReentrancyGuard} from "solady/utils/ReentrancyGuard.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IBondEngine} from "interfaces/IBondEngine.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";
import {EpochClock} from "../libraries/EpochClock.sol";

/// @title The stakers' side of the bond: the pool of a capacity, who owns it, what it earns
/// @notice See IServiceBond for the whole documentation. `ServiceBond` adds the operator's part and
/// what the lease engine does.
abstract contract StakePool is IServiceBond, ReentrancyGuard {
    using Checkpoints for Checkpoints.Trace208;
    using FixedPointMathLib for uint256;
    using LibBit for uint256;
    using LibCall for address;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    /// @inheritdoc IServiceBond
    uint256 public constant COOLDOWN = 7 days;
    /// @inheritdoc IServiceBond
    uint256 public constant RELEASE_WINDOW = 2 days;

    uint256 internal constant MAX_HELD = type(uint104).max;
    /// @dev 10^6 virtual shares against 1 virtual base unit: who inflates the first share loses more
    /// to them than he can take from those who follow.
    uint256 internal constant VIRTUAL = 1e6;
    /// @dev A pool ends when its price falls below a new pool's by this. So shares stay below
    /// (assets + 1) × VIRTUAL × DEPLETED < 2^151, however often the pool is slashed and refilled.
    uint256 internal constant DEPLETED = 1e8;
    /// @dev As many as a splitter has at a time. Their indices are never used again, so they can be
    /// higher; a word has room for the first 256.
    uint256 internal constant MAX_KNOWN_LEGS = 8;
    /// @dev Several times what a splitter needs with the real FiatToken. What a hostile payee can burn.
    uint256 internal constant COLLECT_GAS = 400_000;
    uint256 internal constant SHARE_BITS = 152;

    /// @dev What almost every entry point writes: one word. `held` is all of the capacity's money
    /// here; every other amount is part of it, so none can outgrow its field. `reserves` counts
    /// reserves, at most one an epoch.
    struct Books {
        uint104 operatorPart;
        uint104 held;
        uint24 reserves;
        uint24 generation;
    }

    /// @dev The pool of the present generation. Without shares it has no assets.
    struct Pool {
        uint104 assets;
        uint152 shares;
    }

    /// @dev Stake that waits for the epochs below `joins`.
    struct Ticket {
        uint104 amount;
        uint32 joins;
    }

    /// @dev Shares of `generation` that their owner wants to leave with.
    struct Cooling {
        uint152 shares;
        uint40 releaseAt;
        uint32 epoch;
        uint24 generation;
    }

    /// @dev What is left of a penalty set aside; `number` 0 means none. `generation` is the pool's
    /// that paid.
    struct Reserve {
        uint104 ofOperator;
        uint104 ofPool;
        uint24 number;
        uint24 generation;
    }

    /// @dev For a reserve that the pool paid for: all shares at that moment, and what came back.
    struct Recovery {
        uint152 shares;
        uint104 amount;
    }

    /// @inheritdoc IServiceBond
    IComputeCapacity public immutable CAPACITY;
    /// @inheritdoc IServiceBond
    IBondEngine public engine;

    mapping(uint256 capacity => Books) internal _books;
    mapping(uint256 capacity => Pool) internal _pools;
    mapping(uint256 capacity => uint256 legs) internal _knownLegs;
    mapping(uint256 capacity => mapping(address account => Ticket)) internal _tickets;
    mapping(uint256 capacity => mapping(address account => Cooling)) internal _coolings;
    mapping(uint256 capacity => mapping(address account => uint256)) internal _claimable;
    /// @dev An account's shares over time, keyed by how many reserves there were: reserve n found the
    /// value of the last key below n. A value is generation and shares; that of an earlier
    /// generation stands for nothing.
    mapping(uint256 capacity => mapping(address account => Checkpoints.Trace208)) internal _traces;
    mapping(uint256 capacity => mapping(uint256 epoch => Reserve)) internal _reserves;
    mapping(uint256 capacity => mapping(uint256 epoch => Recovery)) internal _recoveries;
    mapping(uint256 capacity => mapping(uint256 epoch => mapping(address account => uint256)))
        internal _recovered;

    // ------------------------------------------------------------------ joining

    /// @inheritdoc IServiceBond
    function stake(uint256 capacity, uint256 amount) external nonReadReentrant {
        _stake(capacity, _stablecoinOf(capacity), amount);
    }

    function _stake(uint256 capacity, address stablecoin, uint256 amount) internal {
        // Check and effect
        _takeIn(capacity, amount);
        uint256 joins = _firstUnbegun(capacity, block.timestamp);
        Ticket storage ticket = _tickets[capacity][msg.sender];
        ticket.amount += uint104(amount); // part of what is held
        ticket.joins = joins.toUint32();
        emit Staked(capacity, msg.sender, amount, joins);

        // Interaction
        stablecoin.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IServiceBond
    function cancelStake(
        uint256 capacity,
        address receiver
    ) external nonReadReentrant returns (uint256 amount) {
        amount = _ticketOf(capacity, msg.sender).amount;
        delete _tickets[capacity][msg.sender];
        emit StakeCancelled(capacity, msg.sender, receiver, amount);
        _payOut(capacity, receiver, amount);
    }

    /// @inheritdoc IServiceBond
    function join(
        uint256 capacity,
        address account
    ) external nonReadReentrant returns (uint256 shares) {
        // Check
        Ticket memory ticket = _ticketOf(capacity, account);
        _requireOver(capacity, ticket.joins);

        // Interaction first: what was earned so far belongs to those who are in the pool so far.
        _collectKnown(capacity);

        // Effect
        uint256 generation = _books[capacity].generation;
        Pool memory pool = _pools[capacity];
        shares = uint256(ticket.amount).mulDiv(pool.shares + VIRTUAL, uint256(pool.assets) + 1);
        require(shares != 0, ZeroShares(capacity, ticket.amount));
        delete _tickets[capacity][account];
        pool.assets += ticket.amount;
        pool.shares += shares.toUint152();
        _pools[capacity] = pool;
        _setShares(capacity, account, generation, sharesOf(capacity, account) + shares);
        emit Joined(capacity, account, ticket.amount, shares);
    }

    // ------------------------------------------------------------------ leaving

    /// @inheritdoc IServiceBond
    function unstake(uint256 capacity, uint256 shares) external nonReadReentrant {
        // Check
        require(shares != 0, ZeroAmount());
        Cooling memory cooling = _coolingNow(capacity, msg.sender);
        uint256 available = sharesOf(capacity, msg.sender) - cooling.shares;
        require(shares <= available, NotEnough(shares, available));

        // Effect
        uint256 releaseAt = block.timestamp + COOLDOWN;
        uint256 epoch = _firstUnbegun(capacity, releaseAt);
        uint256 all = cooling.shares + shares;
        _coolings[capacity][msg.sender] = Cooling({
            shares: uint152(all), // part of the account's
            releaseAt: releaseAt.toUint40(),
            epoch: epoch.toUint32(),
            generation: _books[capacity].generation
        });
        emit Unstaked(capacity, msg.sender, all, releaseAt, epoch);
    }

    /// @inheritdoc IServiceBond
    function cancelUnstake(uint256 capacity) external nonReadReentrant {
        _coolingOf(capacity, msg.sender);
        delete _coolings[capacity][msg.sender];
        emit UnstakeCancelled(capacity, msg.sender);
    }

    /// @inheritdoc IServiceBond
    function releaseStake(
        uint256 capacity,
        address account
    ) external nonReadReentrant returns (uint256 amount) {
        amount = _release(capacity, account);
        _claimable[capacity][account] += amount;
    }

    /// @inheritdoc IServiceBond
    function withdrawStake(
        uint256 capacity,
        address receiver
    ) external nonReadReentrant returns (uint256 amount) {
        amount = _release(capacity, msg.sender);
        return _claim(capacity, receiver, amount);
    }

    /// @inheritdoc IServiceBond
    function claim(
        uint256 capacity,
        address receiver
    ) external nonReadReentrant returns (uint256 amount) {
        return _claim(capacity, receiver, 0);
    }

    /// @param more Released in the same call.
    function _claim(
        uint256 capacity,
        address receiver,
        uint256 more
    ) internal returns (uint256 amount) {
        uint256 claimable = _claimable[capacity][msg.sender];
        amount = claimable + more;
        if (amount == 0) return 0;
        if (claimable != 0) _claimable[capacity][msg.sender] = 0;
        emit Claimed(capacity, msg.sender, receiver, amount);
        _payOut(capacity, receiver, amount);
    }

    /// @dev Takes an account's cooled shares out of the pool, and their worth out of its assets. The
    /// worth, rounded down, never exceeds the assets.
    function _release(uint256 capacity, address account) internal returns (uint256 amount) {
        // Check
        Cooling memory cooling = _coolingOf(capacity, account);
        uint256 releaseAt = cooling.releaseAt;
        require(block.timestamp >= releaseAt, StillCooling(capacity, releaseAt));
        _requireOver(capacity, cooling.epoch);
        uint256 lapsedAt = _lapsedAt(capacity, releaseAt, cooling.epoch);
        require(block.timestamp < lapsedAt, UnstakeLapsed(capacity, lapsedAt));

        // Interaction first: who leaves takes along what was earned so far.
        _collectKnown(capacity);

        // Effect
        Pool memory pool = _pools[capacity];
        amount = _worthDown(pool, cooling.shares);
        pool.assets -= uint104(amount); // at most the assets
        pool.shares -= cooling.shares;
        delete _coolings[capacity][account];
        uint256 left = sharesOf(capacity, account) - cooling.shares;
        _setShares(capacity, account, cooling.generation, left);
        if (pool.shares == 0) {
            // What rounding left: nobody's in the pool, so that the next stake finds it empty.
            _books[capacity].operatorPart += pool.assets;
            pool.assets = 0;
        }
        _pools[capacity] = pool;
        emit StakeReleased(capacity, account, cooling.shares, amount);
    }

    /// @dev By the cooling's own epoch, whatever is leased: nobody can move it once shares cool.
    function _lapsedAt(
        uint256 capacity,
        uint256 releaseAt,
        uint256 epoch
    ) internal view returns (uint256) {
        uint256 over = epoch == 0 ? 0 : _engine().penaltyDeadlineOf(capacity, epoch - 1);
        return releaseAt.max(over) + RELEASE_WINDOW;
    }

    // ------------------------------------------------------------------ rewards

    /// @inheritdoc IServiceBond
    function collect(
        uint256 capacity,
        uint256 leg
    ) external nonReadReentrant returns (uint256 amount) {
        // Check
        (address payee, address stablecoin) = CAPACITY.payeeOf(capacity);
        _requireSplitter(capacity, payee);

        // Interaction
        amount = _claimLeg(payee, stablecoin, leg);

        // Effect
        bool ended = IRevenueSplitter(payee).legOf(leg).bps == 0; // and is paid by now
        if (leg < 256) _setKnown(capacity, leg, !ended);
        return _credit(capacity, leg, amount);
    }

    /// @dev One that has ended and is paid makes room for another.
    function _setKnown(uint256 capacity, uint256 leg, bool known) internal {
        uint256 legs = _knownLegs[capacity];
        bool changes = ((legs >> leg) & 1 != 0) != known;
        if (!changes || (known && legs.popCount() == MAX_KNOWN_LEGS)) return;
        _knownLegs[capacity] = legs ^ (1 << leg);
        emit KnownLegSet(capacity, leg, known);
    }

    /// @dev Nobody can make it fail by giving little gas: what then is left is too little to go on.
    function _collectKnown(uint256 capacity) internal {
        uint256 legs = _knownLegs[capacity];
        if (legs == 0) return;
        (address payee, address stablecoin) = CAPACITY.payeeOf(capacity);
        for (; legs != 0; legs &= legs - 1) {
            uint256 leg = legs.ffs();
            _credit(capacity, leg, _tryClaimLeg(payee, stablecoin, leg));
        }
    }

    /// @dev The splitter of another capacity, named as payee here, would pay us that one's rewards.
    function _requireSplitter(uint256 capacity, address payee) internal view {
        (bool success, , bytes memory answer) = payee.tryStaticCall(
            gasleft(),
            32,
            abi.encodeCall(IRevenueSplitter.CAPACITY_ID, ())
        );
        require(
            success && answer.length == 32 && abi.decode(answer, (uint256)) == capacity,
            NotSplitter(capacity, payee)
        );
    }

    /// @dev The lock keeps whoever is called from paying in, or having us pay out, what would then
    /// count as come from the leg, or hide what did.
    function _claimLeg(
        address payee,
        address stablecoin,
        uint256 leg
    ) internal nonReentrant returns (uint256 came) {
        uint256 before = IERC20(stablecoin).balanceOf(address(this));
        payee.callContract(
            abi.encodeCall(IRevenueSplitter.claimLegToken, (stablecoin, leg, address(this)))
        );
        return IERC20(stablecoin).balanceOf(address(this)).zeroFloorSub(before);
    }

    /// @dev The same, whatever the payee does: it can waste its gas, and no more.
    function _tryClaimLeg(
        address payee,
        address stablecoin,
        uint256 leg
    ) internal nonReentrant returns (uint256 came) {
        uint256 before = IERC20(stablecoin).balanceOf(address(this));
        payee.tryCall(
            0,
            COLLECT_GAS,
            0,
            abi.encodeCall(IRevenueSplitter.claimLegToken, (stablecoin, leg, address(this)))
        );
        return IERC20(stablecoin).balanceOf(address(this)).zeroFloorSub(before);
    }

    /// @dev What the capacity cannot hold any more is nobody's, like a plain transfer.
    function _credit(
        uint256 capacity,
        uint256 leg,
        uint256 came
    ) internal returns (uint256 amount) {
        Books memory books = _books[capacity];
        amount = came.min(MAX_HELD - books.held);
        if (amount == 0) return 0;

        Pool memory pool = _pools[capacity];
        bool toPool = pool.shares != 0;
        books.held += uint104(amount); // within the bound above, as all that is part of it
        if (toPool) {
            pool.assets += uint104(amount);
            _pools[capacity] = pool;
        } else {
            books.operatorPart += uint104(amount);
        }
        _books[capacity] = books;
        emit Collected(capacity, leg, amount, toPool);
    }

    // ------------------------------------------------------------------ penalties

    /// @dev Takes what is wanted from the pool, or all there is, and notes who paid for it. Changes
    /// `books` in memory only.
    function _slash(
        uint256 capacity,
        uint256 epoch,
        uint256 wanted,
        Books memory books
    ) internal returns (uint256 amount) {
        Pool memory pool = _pools[capacity];
        amount = wanted.min(pool.assets);
        if (amount == 0) return 0;

        pool.assets -= uint104(amount); // at most the assets
        Recovery storage recovery = _recoveries[capacity][epoch];
        recovery.shares = pool.shares;
        if (_isDepleted(pool)) {
            recovery.amount = pool.assets;
            books.generation = books.reserves;
            emit PoolEnded(capacity, books.reserves, pool.assets);
            pool = Pool({assets: 0, shares: 0});
        }
        _pools[capacity] = pool;
    }

    function _isDepleted(Pool memory pool) internal pure returns (bool) {
        uint256 least = (uint256(pool.assets) + 1) * (VIRTUAL * DEPLETED);
        return pool.assets == 0 || least < pool.shares + VIRTUAL;
    }

    /// @inheritdoc IServiceBond
    function recover(
        uint256 capacity,
        uint256 epoch,
        address account
    ) external nonReadReentrant returns (uint256 amount) {
        amount = recoverableOf(capacity, epoch, account);
        if (amount == 0) return 0;
        _recovered[capacity][epoch][account] += amount;
        _claimable[capacity][account] += amount;
        emit Recovered(capacity, epoch, account, amount);
    }

    // ------------------------------------------------------------------ money in and out

    /// @dev Counts money that is about to come.
    function _takeIn(uint256 capacity, uint256 amount) internal returns (Books storage books) {
        require(amount != 0, ZeroAmount());
        books = _books[capacity];
        uint256 room = MAX_HELD - books.held;
        require(amount <= room, TooMuch(capacity, amount, room));
        books.held += uint104(amount); // within the bound
    }

    /// @dev The last step of all that pays. No capacity ever pays out more than it holds.
    function _payOut(uint256 capacity, address receiver, uint256 amount) internal {
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
        _books[capacity].held -= amount.toUint104();
        _stablecoinOf(capacity).safeTransfer(receiver, amount);
    }

    // ------------------------------------------------------------------ looking up

    function _stablecoinOf(uint256 capacity) internal view returns (address stablecoin) {
        (, stablecoin) = CAPACITY.payeeOf(capacity);
    }

    function _firstUnbegun(uint256 capacity, uint256 timestamp) internal view returns (uint256) {
        IComputeCapacity.ServiceLevel memory level = CAPACITY.serviceLevelOf(capacity);
        return EpochClock.firstUnbegun(level.origin, level.epochLength, timestamp);
    }

    function _engine() internal view returns (IBondEngine bound) {
        bound = engine;
        require(address(bound) != address(0), NotBound());
    }

    /// @dev All epochs below `epoch` are settled, and no penalty can be added for any of them. Those
    /// from `leasedTo` on are not leased, and never will be, having begun.
    function _requireOver(uint256 capacity, uint256 epoch) internal view {
        IBondEngine bound = _engine();
        epoch = epoch.min(bound.leasedTo(capacity));
        if (epoch == 0) return;
        (uint256 settled, ) = bound.settledTo(capacity);
        require(settled >= epoch, NotSettled(capacity, settled, epoch));
        uint256 deadline = bound.penaltyDeadlineOf(capacity, epoch - 1);
        require(block.timestamp >= deadline, PenaltyPossible(capacity, epoch - 1, deadline));
    }

    function _ticketOf(
        uint256 capacity,
        address account
    ) internal view returns (Ticket memory ticket) {
        ticket = _tickets[capacity][account];
        require(ticket.amount != 0, NothingPending(capacity, account));
    }

    /// @dev Zeros if what cooled was a pool's that has ended.
    function _coolingNow(
        uint256 capacity,
        address account
    ) internal view returns (Cooling memory cooling) {
        cooling = _coolings[capacity][account];
        if (cooling.generation != _books[capacity].generation) delete cooling;
    }

    function _coolingOf(
        uint256 capacity,
        address account
    ) internal view returns (Cooling memory cooling) {
        cooling = _coolingNow(capacity, account);
        require(cooling.shares != 0, NothingCooling(capacity, account));
    }

    function _setShares(
        uint256 capacity,
        address account,
        uint256 generation,
        uint256 shares
    ) internal {
        // Generations are counts of reserves, below 2^24; shares lie below 2^152.
        uint256 value = (generation << SHARE_BITS) | shares;
        _traces[capacity][account].push(_books[capacity].reserves, value.toUint208());
    }

    /// @dev The shares in a value of the trace, if they are of this generation.
    function _sharesIn(uint256 value, uint256 generation) internal pure returns (uint256) {
        return value >> SHARE_BITS == generation ? value & ((1 << SHARE_BITS) - 1) : 0;
    }

    function _worthDown(Pool memory pool, uint256 shares) internal pure returns (uint256) {
        return shares.mulDiv(uint256(pool.assets) + 1, pool.shares + VIRTUAL);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IServiceBond
    function poolOf(
        uint256 capacity
    ) external view returns (uint256 assets, uint256 shares, uint256 generation) {
        Pool memory pool = _pools[capacity];
        return (pool.assets, pool.shares, _books[capacity].generation);
    }

    /// @inheritdoc IServiceBond
    function heldOf(uint256 capacity) external view returns (uint256) {
        return _books[capacity].held;
    }

    /// @inheritdoc IServiceBond
    function pendingOf(
        uint256 capacity,
        address account
    ) external view returns (uint256 amount, uint256 joins) {
        Ticket memory ticket = _tickets[capacity][account];
        return (ticket.amount, ticket.joins);
    }

    /// @inheritdoc IServiceBond
    function sharesOf(uint256 capacity, address account) public view returns (uint256) {
        return _sharesIn(_traces[capacity][account].latest(), _books[capacity].generation);
    }

    /// @inheritdoc IServiceBond
    function stakeOf(uint256 capacity, address account) external view returns (uint256) {
        return _worthDown(_pools[capacity], sharesOf(capacity, account));
    }

    /// @inheritdoc IServiceBond
    function coolingOf(
        uint256 capacity,
        address account
    ) external view returns (uint256 shares, uint256 releaseAt, uint256 epoch) {
        Cooling memory cooling = _coolingNow(capacity, account);
        return (cooling.shares, cooling.releaseAt, cooling.epoch);
    }

    /// @inheritdoc IServiceBond
    function claimableOf(uint256 capacity, address account) external view returns (uint256) {
        return _claimable[capacity][account];
    }

    /// @inheritdoc IServiceBond
    function recoverableOf(
        uint256 capacity,
        uint256 epoch,
        address account
    ) public view returns (uint256) {
        Recovery memory recovery = _recoveries[capacity][epoch];
        if (recovery.amount == 0) return 0;
        Reserve memory slot = _reserves[capacity][epoch];
        uint256 value = _traces[capacity][account].upperLookup(slot.number - 1);
        uint256 held = _sharesIn(value, slot.generation);
        uint256 part = uint256(recovery.amount).mulDiv(held, recovery.shares);
        return part - _recovered[capacity][epoch][account];
    }

    /// @inheritdoc IServiceBond
    function knownLegsOf(uint256 capacity) external view returns (uint256) {
        return _knownLegs[capacity];
    }
}
